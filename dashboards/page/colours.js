// Colours: one for each state, the same in every run and much as on the Grafana dashboards; a row of them for curves.

const STATES = {
  step: '#8a94a3', rollout: '#5794f2', update_actor: '#4fae5a', train: '#4fae5a', update_critic: '#8fcf7f',
    wait: '#9aa1ab',
  load_data: '#b0b5bd', data_preprocess: '#b9a88c', weight_sync: '#f08c2e', save_ckpt: '#e0c02c', eval: '#a568cf',
    reward: '#7fb0f5',
  log_prob: '#6cc5d8', ref_log_prob: '#cf9fe6', values: '#c47fdc', advantage: '#c9a000', pause: '#de4f60',
    sleep: '#7a5195',
  wake: '#f7b75b', compile: '#3d78d8', load: '#4f86c0', onload: '#c6483f', offload: '#9a3b34', resume: '#3f9148',
  engine_init: '#d1648a', graph_capture: '#3fa7a0', dump_rollout: '#b07d4b',
};
const OTHERS = ['#3fa7a0', '#b5739d', '#8c7ae6', '#b07d4b', '#5f8f3e', '#d1648a', '#4f9bd1', '#a08a2e'];
const DARK = ['#7aa7ff', '#ffb454', '#5fd3a2', '#ff7d95', '#c79bff', '#5fd0e6', '#d8c65a', '#ff9b70'];
const LIGHT = ['#2563d6', '#c46a00', '#0d8a5a', '#cf2f54', '#7d44c9', '#0a84a0', '#8a7a00', '#c4501f'];

export function stateColour(state) {
  if (STATES[state]) return STATES[state];
  let sum = 0;
  for (const letter of state) sum = (sum * 31 + letter.codePointAt(0)) >>> 0;
  return OTHERS[sum % OTHERS.length];
}

export const curveColour = (index) => (isDark() ? DARK : LIGHT)[index % DARK.length];

export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
}

// A colour of style.css, for what is drawn on a canvas.
export const themed = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// From the surface's colour to a strong one: how many of the rollouts are in a cell.
export function heat(share) {
  const [from, to] = isDark() ? [[30, 38, 52], [255, 190, 92]] : [[228, 236, 247], [22, 74, 168]];
  const part = Math.sqrt(Math.min(1, Math.max(0, share)));
  return `rgb(${from.map((low, index) => Math.round(low + (to[index] - low) * part)).join(' ')})`;
}
