/**
 * The live page: what a camera sees, and what in the catalog looks like it, at this moment.
 */

import { Problem, Unreachable, listFields } from '../api.js';
import { REASONS } from '../camera.js';
import { Captions } from '../captions.js';
import { announce, byId, el, icon, typed } from '../dom.js';
import { Grid } from '../grid.js';
import { askKey, takeKey } from '../key.js';
import { emptyState, example, toAddress } from '../state.js';
import { explain } from '../trouble.js';
import { keepUpload, uploadsKept } from '../uploads.js';
import { history as viewsBefore } from './api.js';
import { Devices } from './devices.js';
import { History } from './history.js';
import { OwnCamera } from './own.js';
import { Stage } from './stage.js';
import { Stream } from './stream.js';
import { since } from './time.js';

/** @typedef {import('../api.js').Item} Item */
/** @typedef {import('./api.js').View} View */

const SEEN_BEFORE = 100;
/** Milliseconds between two things that are said, though matches may change many times a second. */
const SPOKEN_EVERY = 1500;
const CLICK = 100;

const main = byId('live-view');
const captions = new Captions();
/** @type {Stream | null} */
let stream = null;
/** @type {{view: View, at: number} | null} what came last, be it shown or not */
let newest = null;
/** Whether a finger or button is down: what moves away under it couldn't be chosen. */
let pressed = false;
let best = '';
let spoken = '';
let speaking = 0;
/** What is wrong between here and the server, and with this browser's camera. */
const troubles = { connection: '', camera: '' };

/** @param {string} query of the search page */
function leave(query) {
  location.assign(new URL(`./${query}`, document.baseURI));
}

/** @param {Item} item @param {number} weight */
function searchLike(item, weight) {
  leave(toAddress({ ...emptyState(), examples: [example('id', item.id, weight)] }));
}

const grid = new Grid(byId('grid'), captions, {
  open: (item) => leave(toAddress({ ...emptyState(), item: item.id })),
  similar: (item) => searchLike(item, 1),
  add: (item) => searchLike(item, 1),
  address: (item) => `./${toAddress({ ...emptyState(), item: item.id })}`,
});

const stage = new Stage({ pause: (paused) => announce(paused ? 'Paused' : 'Live again') });

const before = new History(byId('history'), ({ view, at }) => {
  stage.pause(true);
  if (!stage.video.hidden) stage.show(false);
  show(view, at);
});

const devices = new Devices(byId('devices'), {
  choose,
  listed: () => {
    settle();
    const wanted = new URLSearchParams(location.search).get('device');
    if (devices.chosen === null) {
      const first = wanted && devices.get(wanted) ? wanted : devices.freshest;
      if (first) choose(first);
      else if (!own.running && main.dataset['state'] !== 'blocked') showEmpty();
    }
  },
  failed: (error) => {
    if (devices.chosen === null || refused(error)) showTrouble(error);
  },
});

const own = new OwnCamera(stage.video, {
  failed: (error) => (error instanceof DOMException ? cameraFailed(error) : showTrouble(error)),
  sent: () => (devices.chosen === own.name ? settle() : undefined),
  stopped: () => {
    byId('own').setAttribute('aria-pressed', 'false');
    byId('own-text').textContent = 'Use this camera';
    byId('flip').hidden = true;
    stage.show(false);
  },
});

/** @param {string} device */
function choose(device) {
  if (device === devices.chosen && stream) return;
  devices.chosen = device;
  devices.show();
  newest = null;
  stage.pause(false);
  stage.clear();
  stage.show(own.running && device === own.name);
  grid.show([]);
  before.fill([]);
  window.history.replaceState(null, '', `?device=${encodeURIComponent(device)}`);
  main.dataset['state'] = 'waiting';
  troubles.connection = '';
  follow(device);
}

/** @param {string} device */
function follow(device) {
  stream?.stop();
  stream = new Stream(device, {
    view: (view) => {
      newest = { view, at: since(view) };
      refresh();
    },
    status: (status) => {
      devices.learn(status);
      tell();
    },
    connected: settle,
    failed: (error) => {
      if (refused(error) || error instanceof Unreachable) showTrouble(error);
    },
  });
  void recall(device);
}

/** Show what came last, unless someone holds the page still. */
function refresh() {
  if (!newest || pressed) return;
  before.add(newest.view, newest.at);
  if (!stage.paused) show(newest.view, newest.at);
}

/** What this camera saw before this page was opened. @param {string} device */
async function recall(device) {
  const views = await viewsBefore(device, SEEN_BEFORE).catch(() => []);
  if (devices.chosen === device && views.length) before.fill(views);
}

/**
 * @param {View} view
 * @param {number} at
 */
function show(view, at) {
  stage.update(view.picture, at);
  stage.age(devices.get(view.device)?.state);
  const focused = grid.list.contains(document.activeElement);
  grid.show(view.hits);
  if (focused && !grid.list.contains(document.activeElement)) grid.focusFirst();
  main.dataset['state'] = 'live';
  main.dataset['sequence'] = String(view.sequence);
  byId('message').replaceChildren();
  const [first] = view.hits;
  byId('status').textContent = first ? '' : 'Nothing in the catalog passes this camera’s filter.';
  // Only a change of the best match is news to someone who listens.
  best = first ? captions.title(first) : '';
  if (best !== spoken) speaking ||= setTimeout(speak, SPOKEN_EVERY);
}

function speak() {
  speaking = 0;
  if (best !== spoken) announce(best);
  spoken = best;
}

/** The connection works (again). */
function settle() {
  troubles.connection = '';
  tell();
  if (main.dataset['state'] === 'failed') {
    main.dataset['state'] = devices.chosen === null ? 'waiting' : 'live';
    byId('message').replaceChildren();
  }
}

/** Say how the camera and the connection are, where that isn't as it should be. */
function tell() {
  const status = devices.get(devices.chosen);
  stage.age(status?.state);
  before.age();
  const text = troubles.connection || troubles.camera || (status?.state === 'error' && status.message) || '';
  const notice = byId('notice');
  notice.hidden = !text;
  if (notice.textContent !== text) notice.textContent = text; // a text set again may be read out again
}

function showEmpty() {
  main.dataset['state'] = 'empty';
  byId('message').replaceChildren(
    icon('camera'),
    el('h2', {}, 'No camera is watching'),
    el('p', {}, 'Hold something before this device’s own camera and its look-alikes follow, or start a camera elsewhere, on the broker that this server reads:'),
    el('div', { class: 'command' }, el('code', {}, 'kinlens camera 0 --broker mqtt://BROKER')),
    el('div', { class: 'remedies' }, el('button', { class: 'button', type: 'button', onclick: () => offerOwn() }, 'Use this camera')),
  );
}

/** @param {unknown} error */
function refused(error) {
  return error instanceof Problem && [401, 403].includes(error.status);
}

/** @param {unknown} error */
function showTrouble(error) {
  const trouble = explain(error);
  const { title, text } = trouble;
  if (refused(error)) return askKey(trouble);
  if (devices.chosen === null || !grid.items.length) {
    main.dataset['state'] = 'failed';
    byId('message').replaceChildren(icon('trouble'), el('h2', {}, title), el('p', {}, text));
    return;
  }
  troubles.connection = `${title}. ${text}`;
  tell();
}

/** @param {DOMException} error */
function cameraFailed(error) {
  own.stop();
  const [title, text] = REASONS[error.name] ?? REASONS[error.message] ?? ['The camera doesn’t start', 'Try again.'];
  if (devices.chosen === null) {
    main.dataset['state'] = 'blocked';
    byId('message').replaceChildren(icon('camera'), el('h2', {}, title), el('p', {}, text));
    return;
  }
  troubles.camera = `${title}. ${text}`;
  tell();
}

/** Ask before the browser does: who starts a camera must know who sees it. @param {boolean} [screen] */
function offerOwn(screen = false) {
  if (!navigator.mediaDevices?.getUserMedia) return cameraFailed(new DOMException('', 'insecure'));
  const dialog = typed('share', HTMLDialogElement);
  byId('share-title').textContent = screen ? 'Show your screen to everybody here?' : 'Show your camera to everybody here?';
  byId('share-name').textContent = own.name;
  byId('share-hidden').hidden = screen;
  dialog.dataset['source'] = screen ? 'screen' : 'camera';
  dialog.returnValue = '';
  dialog.showModal();
}

/** @param {boolean} [screen] instead of the camera */
async function startOwn(screen = false) {
  troubles.camera = '';
  try {
    const others = await own.start(screen);
    byId('flip').hidden = !others;
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    return cameraFailed(error);
  }
  byId('own').setAttribute('aria-pressed', 'true');
  byId('own-text').textContent = 'Stop this camera';
  stream?.stop();
  stream = null;
  choose(own.name);
}

function begin() {
  void listFields().then((fields) => {
    captions.learn(fields);
    grid.recaption();
  }, showTrouble);
  devices.watch();
}

/** Search with the picture of this moment, on the other page. */
async function freeze() {
  const live = own.running && devices.chosen === own.name && !stage.paused;
  const picture = live ? await own.snapshot() : stage.snapshot();
  if (!picture) return announce('There is no picture yet.');
  const key = await keepUpload(picture);
  await uploadsKept();
  leave(toAddress({ ...emptyState(), examples: [example('upload', key)] }));
}

byId('own').addEventListener('click', () => (own.running ? own.stop() : offerOwn()));
byId('screen').hidden = !navigator.mediaDevices?.getDisplayMedia;
byId('screen').addEventListener('click', () => offerOwn(true));
typed('share', HTMLDialogElement).addEventListener('close', () => {
  const dialog = typed('share', HTMLDialogElement);
  if (dialog.returnValue === 'share') void startOwn(dialog.dataset['source'] === 'screen');
});
byId('flip').addEventListener('click', () => void own.flip().catch(cameraFailed));
byId('freeze').addEventListener('click', () => void freeze());
byId('pause').addEventListener('click', () => {
  if (stage.paused) return;
  stage.show(own.running && devices.chosen === own.name);
  refresh();
});
typed('key-form', HTMLFormElement).addEventListener('submit', (event) => {
  takeKey(event);
  const device = devices.chosen;
  devices.chosen = null;
  begin();
  if (device) choose(device);
});
addEventListener('keydown', (event) => {
  if (event.metaKey || event.ctrlKey || event.altKey || document.querySelector('dialog[open]')) return;
  if (event.target instanceof HTMLButtonElement && event.key === ' ') return;
  if (event.key === ' ') byId('pause').click();
  else if (event.key === 's') void freeze();
  else return;
  event.preventDefault();
});
main.addEventListener('pointerdown', () => (pressed = true));
for (const name of ['pointerup', 'pointercancel']) {
  addEventListener(name, () => {
    if (!pressed) return;
    setTimeout(() => {
      pressed = false;
      refresh();
    }, CLICK); // the click comes after it
  });
}
document.addEventListener('visibilitychange', () => {
  // A page that nobody sees asks for nothing; browsers give a site only six connections.
  if (document.visibilityState === 'hidden') {
    stream?.stop();
    devices.rest();
  } else {
    if (devices.chosen !== null) follow(devices.chosen);
    devices.watch();
  }
});
addEventListener('pagehide', () => own.stop());

setInterval(tell, 500);
begin();
