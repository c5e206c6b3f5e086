// openapi.js - holds real answers against the description that stratad gives of itself.

import assert from 'node:assert/strict';

import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

export class Description {
  constructor(document) {
    this.document = document;
    this.ajv = new Ajv2020({ allErrors: true, strict: false, allowUnionTypes: true });
    addFormats(this.ajv);
    this.ajv.addSchema(document, 'openapi.json');
    this.compiled = new Map();
    this.answered = new Set(); // "GET /path 200", what a test has seen
  }

  resolve(node) {
    while (node?.$ref) node = node.$ref.slice(2).split('/').reduce((at, key) => at[key.replaceAll('~1', '/').replaceAll('~0', '~')], this.document);
    return node;
  }

  /** [{path, method, operation}] of everything documented. */
  operations() {
    return Object.entries(this.document.paths).flatMap(([path, item]) =>
      Object.entries(item).filter(([method]) => ['get', 'put', 'post', 'delete', 'patch', 'head'].includes(method)).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })));
  }

  /** The documented path that a real one belongs to. */
  find(method, url) {
    const path = url.split('?')[0];
    const fits = (pattern) => new RegExp(`^${pattern.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(/\{[^}]+\}/g, '[^/]+')}$`).test(path);
    // A literal path wins over one with a parameter.
    return this.operations().filter((o) => o.method === method && fits(o.path)).sort((a, b) => a.path.split('{').length - b.path.split('{').length)[0];
  }

  #validator(pointer) {
    let validate = this.compiled.get(pointer);
    if (!validate) {
      validate = this.ajv.compile({ $ref: `openapi.json#${pointer}` });
      this.compiled.set(pointer, validate);
    }
    return validate;
  }

  /** Fails unless the answer is one that the description promises for this request. */
  check(method, url, answer) {
    const found = this.find(method, url);
    const where = `${method} ${url} → ${answer.status}`;
    assert.ok(found, `${where}: the path is not described`);
    const response = this.resolve(found.operation.responses[answer.status]);
    assert.ok(response, `${where}: this status is not described; ${answer.text.slice(0, 300)}`);
    this.answered.add(`${method} ${found.path} ${answer.status}`);
    const type = (answer.headers['content-type'] ?? '').split(';')[0];
    if (!response.content) {
      assert.equal(answer.text, '', `${where}: a body that is not described`);
      return;
    }
    const content = response.content[type];
    assert.ok(content, `${where}: ${type} is not among ${Object.keys(response.content)}`);
    for (const name of Object.keys(response.headers ?? {})) {
      if (this.resolve(response.headers[name]).required) assert.ok(answer.headers[name.toLowerCase()], `${where}: header ${name} is missing`);
    }
    if (!content.schema || !/json$/.test(type)) return;
    const escape = (key) => encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'));
    const raw = found.operation.responses[answer.status];
    const base = raw.$ref ? raw.$ref.slice(1) : `/paths/${escape(found.path)}/${method.toLowerCase()}/responses/${answer.status}`;
    const validate = this.#validator(`${base}/content/${escape(type)}/schema`);
    assert.ok(validate(answer.body), `${where}: ${this.ajv.errorsText(validate.errors)}\n${answer.text.slice(0, 2000)}`);
  }
}
