// The agent's JSON API and its stream of events (docs/api.md).

export class Refused extends Error {}

export async function ask(path, parameters = {}, signal = undefined) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value === null || value === undefined || value === '') continue;
    for (const one of Array.isArray(value) ? value : [value]) query.append(name, one);
  }
  const tail = query.size ? `?${query}` : '';
  let answer;
  try {
    answer = await fetch(`api/${path}${tail}`, { signal, headers: { Accept: 'application/json' } });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Refused('The agent does not answer. Is it still running, and is the tunnel up?');
  }
  if (!answer.ok) throw new Refused(await reason(answer));
  return answer.json();
}

async function reason(answer) {
  const text = await answer.text();
  try {
    const { error, hint } = JSON.parse(text);
    if (error) return [error, hint].filter(Boolean).join(': ');
  } catch {
    // Not JSON: the text itself says it.
  }
  return text.slice(0, 400) || `The agent answered with status ${answer.status}.`;
}

export const runPath = (run, what) => `runs/${encodeURIComponent(run)}/${what}`;

// Tells `handlers.status(report)`, `handlers.changed({run})` and `handlers.link(true|false)`. The browser reconnects by
// itself while the agent refuses the connection; it gives up on an error page, and then we do.
export function listen(handlers) {
  let source = null;
  const open = () => {
    source = new EventSource('api/events');
    source.addEventListener('open', () => handlers.link?.(true));
    source.addEventListener('error', () => {
      handlers.link?.(false);
      if (source.readyState === EventSource.CLOSED) setTimeout(open, 3000);
    });
    for (const kind of ['status', 'changed']) {
      source.addEventListener(kind, (event) => handlers[kind]?.(JSON.parse(event.data)));
    }
  };
  open();
}
