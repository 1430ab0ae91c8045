// What the inference engines said last.
import { ask, runPath } from '../api.js';
import { link, make, refill, table } from '../dom.js';
import { toRun } from '../place.js';
import { ago, inUnit, metricWords, oneLine } from '../text.js';

export function openEngines(host, context) {
  const body = make('div', {});
  host.append(body);

  async function load() {
    try {
      const { engines } = await ask(runPath(context.run, 'engines'));
      const now = context.report()?.time ?? Date.now() / 1000;
      refill(body, engines.length ? engines.map((engine) => panel(engine, now))
        : make('p', { class: 'lead' }, 'No figures from an inference engine yet.'));
    } catch (error) {
      context.fail(error);
    }
  }

  function panel({ engine, role, figures }, now) {
    const name = oneLine([engine, role].filter(Boolean).join(' · '));
    return make('section', { class: 'panel', 'aria-label': name }, make('h2', {}, name),
      table(`Figures of ${name}`, ['Figure', 'Value', 'Told', ''], figures.map((figure) => row(figure, now))));
  }

  function row({ name, metric, help, value, unit, step, time }, now) {
    return [
      make('span', { title: help }, metric ? metricWords(metric) : oneLine(name)),
      make('strong', {}, inUnit(value, unit)),
      step === null ? ago(time, now) : `step ${step}`,
      link(toRun(context.run, 'curves', { q: name }), {}, 'curve'),
    ];
  }

  load();
  return { refresh: load };
}
