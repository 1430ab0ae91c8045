// What the steps' time goes into, lane by lane, and who waits for whom.
import { ask, runPath } from '../api.js';
import { choice, make, refill, say } from '../dom.js';
import { oneLine } from '../text.js';
import { StepLane } from './step_lane.js';

const CHOICES = [['30', 'newest 30'], ['100', 'newest 100'], ['300', 'newest 300'], ['1000', 'newest 1,000']];

export function openSteps(host, context, parameters) {
  let last = parameters.get('last') ?? '100';
  let lanes = new Map();
  const waits = make('p', { class: 'lead', 'aria-live': 'polite' });
  const body = make('div', {});
  const chosen = choice('Steps', CHOICES, last, (value) => {
    last = value;
    context.note({ last });
    load();
  });
  host.append(make('form', { class: 'controls' }, chosen), waits, body);

  async function load() {
    try {
      const answer = await ask(runPath(context.run, 'steps'), { last });
      say(waits, sentence(answer));
      if (answer.lanes.map(({ lane }) => lane).join('\n') !== [...lanes.keys()].join('\n')) rebuild(answer.lanes);
      for (const lane of answer.lanes) lanes.get(lane.lane).show(lane);
    } catch (error) {
      context.fail(error);
    }
  }

  function rebuild(found) {
    close();
    lanes = new Map(found.map(({ lane }) => [lane, new StepLane(lane, context.run)]));
    refill(body, [...lanes.values()].map((lane) => lane.element));
  }

  function close() {
    for (const lane of lanes.values()) lane.close();
  }

  load();
  return { refresh: load, close };
}

function sentence({ waits, lanes }) {
  if (waits) return `${waits[0].toUpperCase()}${oneLine(waits).slice(1)}.`;
  return lanes.length ? 'No lane waits long for another.' : 'No step has a breakdown yet.';
}
