// Where the reader is: `#/`, `#/run/ID/TAB?key=value`. Everything that can be looked at has an address to send on.

export function here() {
  const [path, query = ''] = location.hash.replace(/^#/, '').split('?');
  const [, kind = '', run = '', tab = ''] = path.split('/');
  return { kind, run: decode(run), tab: decode(tab) || 'now', parameters: new URLSearchParams(query) };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function toRun(run, tab = 'now', parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value === null || value === undefined || value === '' || value === false) continue;
    for (const one of Array.isArray(value) ? value : [value]) query.append(name, one);
  }
  return `/run/${encodeURIComponent(run)}/${tab}${query.size ? `?${query}` : ''}`;
}

export function go(place) {
  location.hash = place;
}

// The address follows what the reader set, without a step in the browser's history.
export function note(place) {
  history.replaceState(null, '', `#${place}`);
}
