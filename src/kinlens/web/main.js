/**
 * Puts the page together: the state on one side, the parts that show and change it on the other.
 */

import { listFields } from './api.js';
import { Camera } from './camera.js';
import { Captions } from './captions.js';
import { Counts } from './counts.js';
import { Detail } from './detail.js';
import { announce, byId, fly, placeUnder, typed } from './dom.js';
import { FacetPanel } from './facets.js';
import { Grid } from './grid.js';
import { Intake } from './intake.js';
import { askKey, takeKey } from './key.js';
import { watchKeys } from './keys.js';
import { Options } from './options.js';
import { QueryPanel } from './query.js';
import { Results } from './results.js';
import { MAX_EXAMPLES, clearFilters, emptyState, example, filtered, toAddress } from './state.js';
import { Store } from './store.js';

/** @typedef {import('./api.js').Item} Item */
/** @typedef {import('./intake.js').Mode} Mode */
/** @typedef {import('./state.js').Example} Example */
/** @typedef {import('./state.js').State} State */

history.scrollRestoration = 'manual';

const store = new Store();
const captions = new Captions();
/** Whether the fields are known, and how large the catalog was then. */
let learned = false;
let learnedAt = -1;

/** @param {Item} item */
const address = (item) => toAddress({ ...store.state, item: item.id });

const grid = new Grid(byId('grid'), captions, {
  open: (item, picture) => openDetail(item.id, picture),
  similar: moreLike,
  add: (item, weight, picture) => addItem(item, weight, picture),
  address,
});

const query = new QueryPanel(
  { panel: byId('panel'), stage: byId('stage'), strip: byId('strip'), tuning: byId('tuning') },
  captions,
  {
    step: (examples) => store.step({ ...store.state, examples }),
    adjust: (examples) => store.adjust({ ...store.state, examples }),
  },
);

const facets = new FacetPanel({ list: byId('facets'), chips: byId('chips') }, captions, (change) =>
  store.step(change(store.state)),
);
const counts = new Counts(facets);

const options = new Options(captions, {
  change: (change) => store.step(change(store.state)),
  recaption: () => grid.recaption(),
});

const results = new Results(
  { main: byId('results'), status: byId('status'), message: byId('message'), more: typed('more', HTMLButtonElement) },
  grid,
  {
    mend: (remedy, trouble) => {
      if (remedy === 'key') askKey(trouble);
      else if (remedy === 'browse') intake.browse('new');
      else if (remedy === 'clear') store.step(emptyState());
    },
    clearFilters: () => store.step(clearFilters(store.state)),
    showMore: (k) => store.step({ ...store.state, k }),
    answered: (total, answer) => void answered(total, answer),
    failed: (trouble) => {
      query.judge(trouble);
      void failed();
    },
  },
);

const detail = new Detail(captions, {
  similar: moreLike,
  add: (item, weight) => addItem(item, weight, null),
  open: (id) => store.adjust({ ...store.state, item: id }),
  close: closeDetail,
  neighbors: () => grid.items,
  address,
});

const camera = new Camera();
const intake = new Intake({
  take,
  refuse,
  asking: () => store.state.examples.length > 0,
});

store.subscribe((state, before, way) => {
  query.show(state);
  if (state.values !== before.values || state.ranges !== before.ranges) showFilters(state, way);
  if (state.k !== before.k || state.metric !== before.metric) options.show(state);
  results.ask(state, way);
  detail.show(state.item);
  if (before.item !== null && state.item === null) grid.focus(before.item);
  if (before.examples !== state.examples) byId('notice').hidden = true;
});

/**
 * @param {State} state
 * @param {import('./store.js').Way} way
 */
function showFilters(state, way) {
  facets.show(state);
  const count = filtered(state).length;
  byId('filters-count').textContent = count ? `Filters · ${count}` : 'Filters';
  const top = byId('results').offsetTop;
  if (way === 'step' && scrollY > top) scrollTo(0, top);
}

/**
 * @param {Example[]} examples
 * @param {Mode} mode
 */
function take(examples, mode) {
  byId('add-menu').hidePopover();
  const sign = mode === 'minus' ? -1 : 1;
  const old = mode === 'new' ? [] : store.state.examples;
  const added = examples.map((entry) => ({ ...entry, weight: sign * Math.abs(entry.weight) }));
  const all = [...old, ...added];
  if (all.length > MAX_EXAMPLES) refuse(`A search takes at most ${MAX_EXAMPLES} pictures; the others were left out.`);
  const state = { ...store.state, item: null, examples: all.slice(0, MAX_EXAMPLES) };
  store.step(state);
  if (mode === 'new') scrollTo(0, 0);
}

/** A picture travels with the tile it stands on. @param {Element | null} picture */
function frameOf(picture) {
  return picture?.parentElement ?? null;
}

/**
 * @param {Item} item
 * @param {Element | null} picture
 */
function moreLike(item, picture) {
  fly(frameOf(picture), () => query.stage, () => {
    take([example('id', item.id)], 'new');
    announce(`Looking for more like ${captions.title(item)}`);
  });
}

/**
 * @param {Item} item
 * @param {number} weight
 * @param {Element | null} picture
 */
function addItem(item, weight, picture) {
  if (store.state.examples.some((entry) => entry.kind === 'id' && entry.ref === item.id)) {
    refuse('That picture is already part of this search.');
    return;
  }
  // With nothing to be unlike, "less like this" has no meaning yet.
  const mode = store.state.examples.length === 0 ? 'new' : weight > 0 ? 'plus' : 'minus';
  if (mode === 'new' && weight < 0) {
    refuse('Choose something to be like first; then say what it should be less like.');
    return;
  }
  fly(frameOf(picture), () => query.stage, () => take([example('id', item.id)], mode));
}

/**
 * @param {string} id
 * @param {Element | null} picture
 */
function openDetail(id, picture) {
  fly(frameOf(picture), () => frameOf(detail.picture), () => store.step({ ...store.state, item: id }, { detail: true }));
}

function closeDetail() {
  const { item } = store.state;
  const back = () => {
    if (history.state?.detail) history.back();
    else store.step({ ...store.state, item: null });
  };
  if (item !== null) back();
}

/** @param {string} message */
function refuse(message) {
  const notice = byId('notice');
  notice.textContent = message;
  notice.hidden = false;
  announce(message);
}

/**
 * @param {number} total
 * @param {import('./api.js').Answer | null} answer
 */
async function answered(total, answer) {
  query.judge(null);
  if (answer) byId('encoder').textContent = `${answer.encoder.name} · ${answer.encoder.dim} dimensions`;
  await learning;
  const grown = !filtered(store.state).length && learnedAt >= 0 && learnedAt !== total;
  if (!learned || grown) await learn();
  if (!filtered(store.state).length) learnedAt = total;
  document.title = answer ? 'Look-alikes · Kinlens' : 'Kinlens';
  await counts.update(store.state, total);
}

/** A search that fails leaves the filters as they are; an address that fails at once has none yet. */
async function failed() {
  await learning;
  if (learned) await counts.update(store.state, 0);
}

async function learn() {
  const fields = await listFields().catch(() => null);
  if (!fields) return; // asked again with the next answer; the grid tells what is wrong
  learned = true;
  captions.learn(fields);
  facets.learn(fields);
  facets.show(store.state);
  options.learn();
  grid.recaption();
  detail.recaption();
  byId('panel').classList.toggle('filterable', fields.length > 0);
}

/** @param {string} id @param {() => void} act */
function onclick(id, act) {
  byId(id).addEventListener('click', act);
}

/** @param {Mode} mode */
function snapshot(mode) {
  byId('add-menu').hidePopover();
  camera.open((file) => void intake.takeFiles([file], mode));
}

onclick('browse', () => intake.browse('new'));
onclick('invite', () => intake.browse('new'));
onclick('snapshot', () => snapshot('new'));
onclick('add-browse', () => intake.browse('plus'));
onclick('add-snapshot', () => snapshot('plus'));
onclick('clear-query', () => store.step({ ...store.state, examples: [] }));
byId('brand').addEventListener('click', (event) => {
  event.preventDefault();
  store.step(emptyState());
});

typed('key-form', HTMLFormElement).addEventListener('submit', (event) => {
  takeKey(event);
  results.again();
  detail.recaption();
});

// On a phone the filters are a sheet of their own; there is one set of them, which moves.
const sheet = typed('filters-sheet', HTMLDialogElement);
onclick('filters-open', () => {
  byId('filters-slot').append(byId('facets'));
  sheet.showModal();
});
onclick('filters-done', () => sheet.close());
sheet.addEventListener('close', () => byId('filters').append(byId('facets')));

watchKeys({
  link: () => typed('link', HTMLInputElement).focus(),
  grid: () => grid.focusFirst(),
  help: () => typed('keys-help', HTMLDialogElement).showModal(),
});

for (const id of ['add-menu', 'view-menu']) {
  const button = document.querySelector(`[popovertarget="${id}"]`);
  byId(id).addEventListener('toggle', () => placeUnder(byId(id), button));
}

const learning = learn();
query.show(store.state);
options.show(store.state);
showFilters(store.state, 'travel');
results.ask(store.state, 'travel');
detail.show(store.state.item);
