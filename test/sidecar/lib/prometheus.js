// prometheus.js - the text format 0.0.4, read strictly: whatever it does not allow is an error.

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const TYPES = new Set(['counter', 'gauge', 'histogram', 'summary', 'untyped']);
const NUMBER = /^(?:[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|[-+]Inf|NaN)$/;

function readLabels(text, line) {
  const labels = {};
  let at = 0;
  while (at < text.length) {
    const equals = text.indexOf('="', at);
    if (equals < 0) throw new Error(`bad labels: ${line}`);
    const name = text.slice(at, equals);
    if (!LABEL.test(name)) throw new Error(`bad label name ${name}: ${line}`);
    if (name in labels) throw new Error(`label ${name} twice: ${line}`);
    let value = '';
    at = equals + 2;
    for (;; at++) {
      if (at >= text.length) throw new Error(`label value without end: ${line}`);
      if (text[at] === '"') break;
      if (text[at] === '\\') {
        at++;
        const meaning = { '\\': '\\', '"': '"', n: '\n' }[text[at]];
        if (meaning === undefined) throw new Error(`bad escape: ${line}`);
        value += meaning;
      } else value += text[at];
    }
    labels[name] = value;
    at++;
    if (at < text.length) {
      if (text[at] !== ',') throw new Error(`no comma between labels: ${line}`);
      at++;
    }
  }
  return labels;
}

const baseName = (name, families) => {
  if (families.has(name)) return name;
  const base = name.replace(/_(bucket|sum|count)$/, '');
  return ['histogram', 'summary'].includes(families.get(base)?.type) ? base : undefined;
};

/** Map of family name → {type, help, samples: [{name, labels, value}]}. */
export function parse(text) {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const families = new Map();
  const series = new Set();
  const done = new Set();
  let current;
  for (const line of text.slice(0, -1).split('\n')) {
    if (line.startsWith('# HELP ')) {
      const [, name, help] = /^# HELP (\S+) (.+)$/.exec(line) ?? [];
      if (!name || !NAME.test(name)) throw new Error(`bad HELP: ${line}`);
      if (families.has(name)) throw new Error(`HELP of ${name} twice`);
      if (/\\(?![\\n])/.test(help)) throw new Error(`bad escape in HELP: ${line}`);
      if (current) done.add(current);
      families.set(name, { help, samples: [] });
      current = name;
    } else if (line.startsWith('# TYPE ')) {
      const [, name, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
      if (!TYPES.has(type)) throw new Error(`bad TYPE: ${line}`);
      const family = families.get(name);
      if (!family || name !== current) throw new Error(`TYPE of ${name} does not follow its HELP`);
      if (family.type) throw new Error(`TYPE of ${name} twice`);
      if (family.samples.length) throw new Error(`TYPE of ${name} after its samples`);
      family.type = type;
    } else if (line === '' || line.startsWith('#')) {
      throw new Error(`a line that says nothing: ${JSON.stringify(line)}`);
    } else {
      const [, name, , labelText, value, rest] = /^([^\s{]+)(\{(.*)\})? (\S+)( .*)?$/.exec(line) ?? [];
      if (!name || !NAME.test(name) || rest) throw new Error(`bad sample: ${line}`);
      if (!NUMBER.test(value)) throw new Error(`bad value: ${line}`);
      const labels = readLabels(labelText ?? '', line);
      const base = baseName(name, families);
      if (!base) throw new Error(`sample of ${name} without HELP`);
      if (base !== current) throw new Error(`samples of ${base} do not stand together`);
      if (done.has(base)) throw new Error(`samples of ${base} are in two places`);
      const key = `${name}${JSON.stringify(Object.entries(labels).sort())}`;
      if (series.has(key)) throw new Error(`series twice: ${line}`);
      series.add(key);
      families.get(base).samples.push({ name, labels, value: value === '+Inf' ? Infinity : Number(value) });
    }
  }
  for (const [name, family] of families) {
    if (!family.type) throw new Error(`${name} has no TYPE`);
    if (family.type === 'counter') {
      if (!name.endsWith('_total')) throw new Error(`counter ${name} does not end in _total`);
      if (family.samples.some((s) => !(s.value >= 0))) throw new Error(`counter ${name} is negative`);
    } else if (name.endsWith('_total')) throw new Error(`${name} ends in _total and is a ${family.type}`);
    if (family.type === 'histogram') checkHistogram(name, family);
  }
  return families;
}

function checkHistogram(name, family) {
  const groups = new Map();
  for (const sample of family.samples) {
    const { le, ...labels } = sample.labels;
    const key = JSON.stringify(Object.entries(labels).sort());
    const group = groups.get(key) ?? { buckets: [] };
    groups.set(key, group);
    if (sample.name === `${name}_bucket`) group.buckets.push([le === '+Inf' ? Infinity : Number(le), sample.value]);
    else if (sample.name === `${name}_sum`) group.sum = sample.value;
    else if (sample.name === `${name}_count`) group.count = sample.value;
    else throw new Error(`${sample.name} in histogram ${name}`);
  }
  for (const [key, { buckets, sum, count }] of groups) {
    if (sum === undefined || count === undefined) throw new Error(`${name}${key} lacks _sum or _count`);
    for (let i = 1; i < buckets.length; i++) {
      if (!(buckets[i][0] > buckets[i - 1][0])) throw new Error(`${name}${key}: bounds do not rise`);
      if (buckets[i][1] < buckets[i - 1][1]) throw new Error(`${name}${key}: buckets are not cumulative`);
    }
    const last = buckets.at(-1);
    if (last?.[0] !== Infinity || last[1] !== count) throw new Error(`${name}${key}: the last bucket is not +Inf with the count`);
  }
}

/** The value of the one sample with these labels. */
export function value(families, name, labels = {}) {
  const found = families.get(name)?.samples.filter((s) => Object.entries(labels).every(([key, v]) => s.labels[key] === v)) ?? [];
  if (found.length !== 1) throw new Error(`${found.length} samples of ${name}${JSON.stringify(labels)}`);
  return found[0].value;
}
