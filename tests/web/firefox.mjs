/**
 * What a person does on the page, in Firefox over WebDriver BiDi. Prints what it saw as JSON.
 *
 *   node firefox.mjs FIREFOX URL FOLDER
 *
 * FOLDER holds disc.png (the picture to search with), both.png (a red disc beside a green one),
 * phone.heic and frame.jpg.
 */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import puppeteer from 'puppeteer-core';

const [firefox, url, folder] = process.argv.slice(2);
const PATIENCE = 120_000;
const complaints = [];
const seen = {};

const browser = await puppeteer.launch({
  browser: 'firefox',
  executablePath: firefox,
  headless: true,
  timeout: PATIENCE,
  protocolTimeout: PATIENCE,
});
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.setViewport({ width: 1440, height: 900 });
  seen.browse = await browse(page);
  seen.upload = await upload(page, 'disc.png');
  seen.filter = await filter(page);
  seen.range = await range(page);
  seen.crop = await crop(page);
  seen.mix = await mix(page);
  seen.heic = await heic(page);
  seen.live = await live(page);
  seen.complaints = complaints;
  console.log(JSON.stringify(seen));
} finally {
  await browser.close();
}

async function browse(page) {
  await page.goto(url);
  await status(page, /pictures$/);
  return { status: await text(page, '#status') };
}

async function upload(page, name) {
  const files = await page.$('#files');
  await files.uploadFile(join(folder, name));
  await status(page, / of /);
  return answer(page);
}

async function filter(page) {
  await page.locator('.group[data-field="color"] ::-p-text(Red)').click();
  await status(page, /^10 of 10/);
  return { ...(await answer(page)), chips: await page.$$eval('#chips .chip', (chips) => chips.map((chip) => chip.textContent)) };
}

async function range(page) {
  await page.$eval('.group[data-field="price"]', (group) => (group.open = true));
  const inside = await page.$eval('.group[data-field="price"]', (group) => {
    const panel = document.getElementById('panel').getBoundingClientRect();
    const areas = [...group.querySelectorAll('input, .track')].map((node) => node.getBoundingClientRect());
    return areas.every((area) => area.width > 0 && area.left >= panel.left && area.right <= panel.right);
  });
  const to = await page.$('.group[data-field="price"] .numbers input[aria-label="Price to"]');
  await to.focus();
  await to.evaluate((input) => input.select());
  await page.keyboard.type('20,5');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => location.search.includes('r.price='));
  await status(page, /^2 of 2/);
  return { ...(await answer(page)), inside };
}

async function crop(page) {
  await page.goto(url);
  await status(page, /pictures$/);
  await upload(page, 'both.png');
  await page.waitForSelector('#stage img.shown');
  await page.waitForFunction(() => document.querySelector('#stage img.shown').naturalWidth > 0);
  const area = await page.$eval('.crop .handle.w', (handle) => {
    const { x, y, width, height } = handle.getBoundingClientRect();
    return { x: x + width / 2, y: y + height / 2, half: handle.closest('.stage').getBoundingClientRect().width / 2 };
  });
  await page.mouse.move(area.x, area.y);
  await page.mouse.down();
  await page.mouse.move(area.x + area.half, area.y, { steps: 8 });
  await page.mouse.up();
  await page.waitForFunction(() => /=c0\.5/.test(location.search));
  await page.waitForFunction(() => document.querySelector('#grid .title')?.textContent === 'Green disc');
  return answer(page);
}

async function mix(page) {
  await page.goto(`${url}/?like=id:shop/disc%200`);
  await status(page, / of /);
  const added = await page.$eval('#grid .tile:nth-child(2)', (tile) => tile.dataset.id);
  await page.focus('#grid .tile:nth-child(2) a');
  await page.keyboard.press('+');
  await page.waitForFunction(() => document.querySelectorAll('#strip .example').length === 2);
  await page.waitForFunction(() => document.getElementById('results').dataset.state === 'answered');
  return { ...(await answer(page)), added, examples: await page.$$eval('#strip .example', (list) => list.length) };
}

async function heic(page) {
  await page.goto(url);
  await status(page, /pictures$/);
  await upload(page, 'phone.heic');
  await page.waitForFunction(() => document.querySelector('#stage img.shown')?.naturalWidth > 0);
  const { width, height } = await page.$eval('#stage img.shown', (image) => ({ width: image.naturalWidth, height: image.naturalHeight }));
  return { ...(await answer(page)), preview: [width, height] };
}

async function live(page) {
  const frame = await readFile(join(folder, 'frame.jpg'));
  await page.goto(`${url}/live?device=shelf`);
  const shown = page.waitForFunction(() => document.querySelector('#grid .title')?.textContent === 'Red disc');
  let done = false;
  const stop = shown.finally(() => (done = true));
  while (!done) {
    const headers = { 'Content-Type': 'image/jpeg' };
    const sent = await fetch(`${url}/v1/live/shelf/frames`, { method: 'POST', body: frame, headers });
    if (sent.status !== 202) throw new Error(`A frame was refused: ${sent.status} ${await sent.text()}`);
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  await stop;
  return { state: await page.$eval('#live-view', (main) => main.dataset.state), first: await text(page, '#grid .title') };
}

/** What the page says of a search that was answered. */
async function answer(page) {
  return {
    status: await text(page, '#status strong'),
    first: await text(page, '#grid .title'),
    address: decodeURIComponent(new URL(page.url()).search),
  };
}

function text(page, selector) {
  return page.$eval(selector, (node) => node.textContent);
}

async function status(page, pattern) {
  await page.waitForFunction(
    (source) => {
      const answered = document.getElementById('results').dataset.state === 'answered';
      return answered && new RegExp(source).test(document.getElementById('status').textContent);
    },
    {},
    pattern.source,
  );
}
