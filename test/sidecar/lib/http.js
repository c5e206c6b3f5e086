// http.js - requests as objects, and requests as bytes.

import http from 'node:http';
import net from 'node:net';

import { within } from './wait.js';

/** One request on a connection of its own: {status, headers, body, text}. */
export function request(port, method, path, { token, headers = {}, body, host = '127.0.0.1' } = {}) {
  const send = { ...headers };
  if (token && send.Authorization === undefined) send.Authorization = `Bearer ${token}`;
  let payload = body;
  if (body !== undefined && typeof body !== 'string' && !Buffer.isBuffer(body)) payload = JSON.stringify(body);
  if (payload !== undefined) {
    if (send['Content-Type'] === undefined) send['Content-Type'] = 'application/json';
    send['Content-Length'] ??= Buffer.byteLength(payload);
  }
  for (const key of Object.keys(send)) if (send[key] === null) delete send[key];
  return within(`${method} ${path}`, new Promise((resolve, reject) => {
    const req = http.request({ host, port, method, path, headers: send, agent: false }, (res) => {
      const parts = [];
      res.on('data', (part) => parts.push(part));
      res.on('end', () => {
        const text = Buffer.concat(parts).toString('utf8');
        let value;
        try {
          value = JSON.parse(text);
        } catch {
          value = undefined;
        }
        resolve({ status: res.statusCode, headers: res.headers, text, body: value });
      });
      res.on('error', reject);
    });
    req.on('error', reject);
    // A server that refuses a body may answer and close before all of it is written.
    req.end(payload);
  }), 20000);
}

/** A TCP connection that is written to and read from byte by byte. */
export class RawSocket {
  static async open(port) {
    const raw = new RawSocket();
    raw.received = Buffer.alloc(0);
    raw.closed = false;
    raw.socket = net.connect(port, '127.0.0.1');
    raw.socket.on('data', (data) => { raw.received = Buffer.concat([raw.received, data]); });
    raw.socket.on('error', () => {}); // a reset is one of the ways to be closed; close follows
    raw.end = new Promise((resolve) => raw.socket.on('close', () => {
      raw.closed = true;
      resolve();
    }));
    await within('connect', new Promise((resolve, reject) => {
      raw.socket.once('connect', resolve);
      raw.socket.once('error', reject);
    }));
    return raw;
  }

  write(text) {
    if (!this.socket.destroyed) this.socket.write(text);
  }

  get text() {
    return this.received.toString('latin1');
  }

  /** Complete responses so far, each {status, headers, body}. */
  responses() {
    const list = [];
    let rest = this.received;
    for (;;) {
      const end = rest.indexOf('\r\n\r\n');
      if (end < 0) break;
      const [first, ...lines] = rest.subarray(0, end).toString('latin1').split('\r\n');
      const match = /^HTTP\/1\.[01] (\d{3})/.exec(first);
      if (!match) throw new Error(`not a response: ${JSON.stringify(first)}`);
      const headers = Object.fromEntries(lines.map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }));
      const status = Number(match[1]);
      const length = headers['content-length'] === undefined ? 0 : Number(headers['content-length']);
      if (rest.length < end + 4 + length) break;
      list.push({ status, headers, body: rest.subarray(end + 4, end + 4 + length).toString('utf8') });
      rest = rest.subarray(end + 4 + length);
    }
    this.leftover = rest;
    return list;
  }

  destroy() {
    this.socket.destroy();
  }
}
