// ring.js - an event ring written by the test: what a server would write, and what none should.
//
// A second implementation of src/abi/ring_layout.h, on purpose: the layout is a contract, and a reader that is
// only ever tested against its own writer can be wrong together with it.

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { account } from './process.js';

const abi = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../../src/abi');

const MAGIC = 0x31676e6952727453n;
const LAYOUT_VERSION = 1;
const HEADER_BYTES = 384;
const SLOT_BYTES = 512;
const BODY_MAX = 416;
const BODY_AT = 96;
const RARE_STEP = (1n << 48n) + 1n;
const SEQ_MASK = (1n << 48n) - 1n;
const TYPES = { INT: 1, DOUBLE: 2, BOOL: 3, TEXT: 4 };

/** Offsets of the header's words, for tests that damage them. */
export const AT = {
  magic: 0, layoutVersion: 8, headerBytes: 12, segmentBytes: 16, epoch: 24, created: 32, pid: 40, serverVersion: 44,
  slotBytes: 48, bodyMax: 52, lanes: 56, counters: 88, counterTexts: 104, eventTexts: 120, fieldTexts: 136,
  claim: 256, heartbeatCount: 320, heartbeatTime: 328, closed: 336,
};

/** Rows of a .def file as arrays of their arguments. */
function definitions(file, macro) {
  const text = fs.readFileSync(path.join(abi, file), 'utf8');
  return text.split('\n').filter((line) => line.startsWith(`${macro}(`)).map((line) =>
    [...line.slice(macro.length + 1).matchAll(/"((?:[^"\\]|\\.)*)"|([A-Za-z0-9_]+)/g)].map((m) => m[1] ?? m[2]));
}

export const events = definitions('events.def', 'EVENT').map(([code, , name, topic, lane, text, fields]) => ({ code: Number(code), name, topic, lane, text, fields }));
export const fields = definitions('fields.def', 'FIELD').map(([code, , name, type]) => ({ code: Number(code), name, type }));
export const counters = definitions('counters.def', 'COUNTER').map(([code, , name, kind, unit, text]) => ({ code: Number(code), name, kind, unit, text }));

const now = () => BigInt(Date.now()) * 1000n;
let epochs = 0x5eed000000000001n;

export class Ring {
  /** A new ring in `file`; slots: a lane, a power of two.  It beats until close(). */
  constructor(file, { slots = 64, epoch = epochs++ } = {}) {
    this.file = file;
    this.slots = slots;
    this.epoch = epoch;
    this.claim = 1n; // seq 1 comes first, and no rare event came before it
    this.beats = 0n;
    // Values lie by code, and codes have gaps.
    const codes = Math.max(...counters.map((c) => c.code)) + 1;
    const areas = [];
    let at = HEADER_BYTES;
    for (const [count, stride] of [[slots, SLOT_BYTES], [slots, SLOT_BYTES], [codes, 64], [counters.length, 256], [events.length, 512], [fields.length, 48]]) {
      areas.push({ offset: at, count, stride });
      at += count * stride;
    }
    this.lanes = areas.slice(0, 2);
    this.counterValues = areas[2];
    const bytes = Buffer.alloc(at);
    bytes.writeUInt32LE(LAYOUT_VERSION, AT.layoutVersion);
    bytes.writeUInt32LE(HEADER_BYTES, AT.headerBytes);
    bytes.writeBigUInt64LE(BigInt(at), AT.segmentBytes);
    bytes.writeBigUInt64LE(epoch, AT.epoch);
    bytes.writeBigInt64LE(now(), AT.created);
    bytes.writeInt32LE(process.pid, AT.pid);
    bytes.writeUInt32LE(150020, AT.serverVersion);
    bytes.writeUInt32LE(SLOT_BYTES, AT.slotBytes);
    bytes.writeUInt32LE(BODY_MAX, AT.bodyMax);
    areas.forEach(({ offset, count, stride }, i) => {
      bytes.writeBigUInt64LE(BigInt(offset), AT.lanes + 16 * i);
      bytes.writeUInt32LE(count, AT.lanes + 16 * i + 8);
      bytes.writeUInt32LE(stride, AT.lanes + 16 * i + 12);
    });
    counters.forEach((c, i) => {
      const row = areas[3].offset + 256 * i;
      bytes.writeUInt32LE(c.code, row);
      bytes.writeUInt32LE(c.kind === 'GAUGE' ? 2 : 1, row + 4);
      bytes.write(c.name, row + 8);
      bytes.write(c.unit, row + 56);
      bytes.write(c.text, row + 72);
    });
    events.forEach((e, i) => {
      const row = areas[4].offset + 512 * i;
      bytes.writeUInt16LE(e.code, row);
      bytes.writeUInt16LE(e.lane === 'RARE' ? 0 : 1, row + 2);
      bytes.write(e.name, row + 4);
      bytes.write(e.topic, row + 48);
      bytes.write(e.text, row + 64, 159);
      bytes.write(e.fields, row + 224, 287);
    });
    fields.forEach((f, i) => {
      const row = areas[5].offset + 48 * i;
      bytes.writeUInt16LE(f.code, row);
      bytes.writeUInt16LE(TYPES[f.type], row + 2);
      bytes.write(f.name, row + 4);
    });
    bytes.writeBigUInt64LE(this.claim, AT.claim);
    // A new inode: who has the old ring open keeps the old one, as with a server that starts again.
    fs.rmSync(file, { force: true });
    this.fd = fs.openSync(file, 'wx+', 0o640);
    fs.writeSync(this.fd, bytes, 0, bytes.length, 0);
    this.#word(AT.magic, MAGIC);
    if (account.uid !== undefined) fs.chownSync(file, account.uid, account.gid);
    this.beat();
    this.timer = setInterval(() => this.beat(), 500);
    this.timer.unref();
  }

  #word(at, value) {
    const word = Buffer.alloc(8);
    word.writeBigUInt64LE(BigInt.asUintN(64, value));
    fs.writeSync(this.fd, word, 0, 8, at);
  }

  /** Overwrites bytes of the file with a number of 4 or 8 bytes, or with a Buffer. */
  poke(at, value) {
    if (Buffer.isBuffer(value)) fs.writeSync(this.fd, value, 0, value.length, at);
    else if (typeof value === 'bigint') this.#word(at, value);
    else {
      const four = Buffer.alloc(4);
      four.writeUInt32LE(value >>> 0);
      fs.writeSync(this.fd, four, 0, 4, at);
    }
  }

  beat() {
    this.#word(AT.heartbeatCount, ++this.beats);
    this.#word(AT.heartbeatTime, now());
  }

  setCounter(name, value) {
    const { code } = counters.find((c) => c.name === name);
    this.#word(this.counterValues.offset + 64 * code, BigInt(value));
  }

  /** Hands out the next claim and leaves its slot unwritten, as a writer that died there. */
  claimOnly(name) {
    const event = events.find((e) => e.name === name);
    const claim = this.claim;
    this.claim += event.lane === 'RARE' ? RARE_STEP : 1n;
    this.#word(AT.claim, this.claim);
    return { claim, event };
  }

  /** Publishes an event with {field: value} and returns its seq. */
  publish(name, values = {}, { database = 'shop', pid = process.pid } = {}) {
    const { claim, event } = this.claimOnly(name);
    const lane = event.lane === 'RARE' ? 0 : 1;
    const rare = claim >> 48n;
    const position = (lane === 0 ? rare : (claim - rare)) & 0xffffn;
    const slot = Buffer.alloc(SLOT_BYTES);
    slot.writeBigInt64LE(now(), 16);
    slot.writeInt32LE(pid, 24);
    slot.writeUInt16LE(event.code, 28);
    slot.write(database, 32, 63);
    let used = 0;
    for (const [key, value] of Object.entries(values)) {
      const field = fields.find((f) => f.name === key);
      const bytes = encode(field.type, value);
      slot.writeUInt16LE(field.code, BODY_AT + used);
      slot.writeUInt16LE((TYPES[field.type] << 12) | bytes.length, BODY_AT + used + 2);
      bytes.copy(slot, BODY_AT + used + 4);
      used += 4 + bytes.length;
    }
    slot.writeUInt16LE(used, 30);
    const at = this.lanes[lane].offset + SLOT_BYTES * Number(position % BigInt(this.slots));
    this.#word(at, claim);
    fs.writeSync(this.fd, slot, 16, SLOT_BYTES - 16, at + 16);
    this.#word(at + 8, claim);
    return Number(claim & SEQ_MASK);
  }

  /** The epoch as the outside sees it. */
  get epochText() {
    return this.epoch.toString(16).padStart(16, '0');
  }

  truncate(bytes) {
    fs.ftruncateSync(this.fd, bytes);
  }

  /** The server says good-bye. */
  close() {
    clearInterval(this.timer);
    if (this.fd === undefined) return;
    try {
      this.#word(AT.closed, 1n);
    } catch {
      // the test may have truncated or replaced it
    }
    fs.closeSync(this.fd);
    this.fd = undefined;
  }

  /** The server is killed: nobody says anything. */
  abandon() {
    clearInterval(this.timer);
    fs.closeSync(this.fd);
    this.fd = undefined;
  }
}

function encode(type, value) {
  if (type === 'TEXT') return Buffer.isBuffer(value) ? value : Buffer.from(value, 'utf8');
  const bytes = Buffer.alloc(type === 'BOOL' ? 1 : 8);
  if (type === 'INT') bytes.writeBigInt64LE(BigInt(value));
  else if (type === 'DOUBLE') bytes.writeDoubleLE(value);
  else bytes.writeUInt8(value ? 1 : 0);
  return bytes;
}
