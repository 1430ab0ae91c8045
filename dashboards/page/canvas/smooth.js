// Exponential smoothing as TensorBoard has it: the mean begins at zero, and is divided by the weight that it has got so
// far (1 - weight ** n), so that the first values are not drawn towards zero. What is not finite is passed over.

export function smooth(values, weight) {
  if (!(weight > 0)) return values;
  const out = new Float64Array(values.length);
  const first = values.find(Number.isFinite);
  const constant = values.every((value) => !Number.isFinite(value) || value === first);
  let [last, seen] = [0, 0];
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index];
    if (constant || !Number.isFinite(value)) {
      out[index] = value ?? NaN;
      continue;
    }
    last = last * weight + (1 - weight) * value;
    seen += 1;
    out[index] = last / (1 - weight ** seen);
  }
  return out;
}
