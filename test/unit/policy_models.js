// policy_models.js - the six eviction policies once more, written from their papers and as slowly as that reads best.
//
// Run by policy_model_test.c, which sends what the C code did (pool/policy_*.c) to standard input: cases of little-endian
// 32-bit integers,
//     group, policy, frames, K, correlated period, then per mille: history, Kin, Kout, HIR share, HIR history, then n,
//     and n times: page, outcome (-1 hit; -2 miss, nothing left; else miss, and the page that left).
// Each access is compared with the model's.  One line a group goes out: "same CASES ACCESSES", or where they differ first.
//
// Where a paper leaves something open the comment says "ours"; the C file says the same.
'use strict';
const fs = require('fs');

const HIT = -1;
const NONE = -2; // a miss for which nothing had to leave

const drop = (list, page) => list.splice(list.indexOf(page), 1);

// Corbato 1968.  The pages in a ring, each with a usage bit; the reference that brings a page in sets it.
class Clock {
  constructor(frames) {
    Object.assign(this, { frames, ring: [], used: new Map(), hand: 0 });
  }
  access(page) {
    const { ring, used } = this;
    if (used.has(page)) {
      used.set(page, true);
      return HIT;
    }
    used.set(page, true);
    if (ring.length < this.frames) {
      ring.push(page);
      return NONE;
    }
    while (used.get(ring[this.hand])) {
      used.set(ring[this.hand], false);
      this.hand = (this.hand + 1) % ring.length;
    }
    const victim = ring[this.hand];
    used.delete(victim);
    ring[this.hand] = page;
    this.hand = (this.hand + 1) % ring.length;
    return victim;
  }
}

class Lru {
  constructor(frames) {
    Object.assign(this, { frames, list: [] });
  }
  access(page) {
    const { list } = this;
    if (list.includes(page)) {
      drop(list, page);
      list.push(page);
      return HIT;
    }
    const victim = list.length === this.frames ? list.shift() : NONE;
    list.push(page);
    return victim;
  }
}

// Johnson and Shasha 1994, figure "2Q, full version".  Heads of queues are at index 0.
class TwoQ {
  constructor(frames, { kin, kout }) {
    Object.assign(this, { frames, a1in: [], a1out: [], am: [] });
    this.kin = Math.floor(kin * frames);
    this.kout = Math.floor(kout * frames);
  }
  access(x) {
    const { a1in, a1out, am } = this;
    let victim = HIT;
    if (am.includes(x)) {
      drop(am, x);
      am.unshift(x);
    } else if (a1out.includes(x)) {
      victim = this.reclaim();
      if (a1out.includes(x)) drop(a1out, x);
      am.unshift(x);
    } else if (!a1in.includes(x)) {
      victim = this.reclaim();
      a1in.unshift(x);
    }
    return victim;
  }
  reclaim() {
    const { a1in, a1out, am } = this;
    if (a1in.length + am.length < this.frames) return NONE;
    // Ours: an empty Am cannot give a page.
    if (a1in.length > this.kin || am.length === 0) {
      const y = a1in.pop();
      a1out.unshift(y);
      if (a1out.length > this.kout) a1out.pop();
      return y;
    }
    return am.pop();
  }
}

// O'Neil, O'Neil, Weikum 1993, figure 2.1.
class LruK {
  constructor(frames, { k, correlated, history }) {
    Object.assign(this, { frames, k, correlated, t: 0, buffer: [], hist: new Map(), last: new Map() });
    this.limit = Math.floor(history * frames);
  }
  access(p) {
    const { hist, last, k } = this;
    const t = ++this.t;
    if (this.buffer.includes(p)) {
      if (t - last.get(p) > this.correlated) {
        const h = hist.get(p);
        const period = last.get(p) - h[0];
        for (let i = k - 1; i >= 1; i--) h[i] = h[i - 1] === 0 ? 0 : h[i - 1] + period; // 0: no such reference
        h[0] = t;
      }
      last.set(p, t);
      return HIT;
    }
    const victim = this.buffer.length === this.frames ? this.replace(p) : NONE;
    if (!hist.has(p)) hist.set(p, new Array(k).fill(0));
    const h = hist.get(p);
    for (let i = k - 1; i >= 1; i--) h[i] = h[i - 1];
    h[0] = t;
    last.set(p, t);
    this.buffer.push(p);
    return victim;
  }
  replace(incoming) {
    const { hist, last, k, t, buffer } = this;
    // Ours: when every page is within its correlated period, all are eligible.
    let eligible = buffer.filter((q) => t - last.get(q) > this.correlated);
    if (eligible.length === 0) eligible = buffer;
    let victim = eligible[0];
    for (const q of eligible) {
      const d = hist.get(q)[k - 1] - hist.get(victim)[k - 1];
      if (d < 0 || (d === 0 && last.get(q) < last.get(victim))) victim = q; // the subsidiary policy is LRU
    }
    drop(buffer, victim);
    // Retained information.  Ours: bounded by number, the oldest LAST first; the incoming page's is in use.
    const kept = [...hist.keys()].filter((q) => q !== incoming && !buffer.includes(q));
    kept.sort((a, b) => last.get(a) - last.get(b));
    while (kept.length > this.limit) {
      const q = kept.shift();
      hist.delete(q);
      last.delete(q);
    }
    return victim;
  }
}

// Jiang and Zhang 2002.  The top of S and the end of Q are at the end of the arrays.
class Lirs {
  constructor(frames, { hir, lirsHistory }) {
    Object.assign(this, { s: [], q: [], lir: new Set(), evicted: [], frames });
    this.llirs = Math.max(frames - Math.max(Math.floor(hir * frames), 1), 0);
    this.limit = Math.floor(lirsHistory * frames); // ours: HIR blocks in S that are not resident
  }
  access(x) {
    const { s, q, lir } = this;
    const inStack = s.includes(x);
    if (inStack) drop(s, x);
    if (lir.has(x)) {
      s.push(x);
      this.prune();
      return HIT;
    }
    if (q.includes(x)) {
      drop(q, x);
      this.enter(x, inStack);
      return HIT;
    }
    if (this.evicted.includes(x)) drop(this.evicted, x);
    let victim = NONE;
    if (lir.size + q.length === this.frames) {
      victim = q.shift();
      if (s.includes(victim)) {
        this.evicted.push(victim);
        if (this.evicted.length > this.limit) drop(s, this.evicted.shift());
      }
    }
    this.enter(x, inStack || lir.size < this.llirs);
    return victim;
  }
  // x is resident, and in neither S nor Q.
  enter(x, asLir) {
    const { s, q, lir } = this;
    s.push(x);
    if (!asLir) q.push(x);
    else {
      lir.add(x);
      if (lir.size > this.llirs) {
        const bottom = s.shift();
        lir.delete(bottom);
        q.push(bottom);
      }
    }
    this.prune();
  }
  prune() {
    const { s, lir, evicted } = this;
    while (s.length > 0 && !lir.has(s[0])) {
      const x = s.shift();
      if (evicted.includes(x)) drop(evicted, x);
    }
  }
}

// Megiddo and Modha 2003, figure 4.  The MRU end is at the end of the arrays.
class Arc {
  constructor(c) {
    Object.assign(this, { c, p: 0, t1: [], t2: [], b1: [], b2: [] });
  }
  access(x) {
    const { c, t1, t2, b1, b2 } = this;
    let victim = HIT;
    if (t1.includes(x) || t2.includes(x)) {
      // Case I
      drop(t1.includes(x) ? t1 : t2, x);
      t2.push(x);
    } else if (b1.includes(x)) {
      // Case II
      const delta = b1.length >= b2.length ? 1 : b2.length / b1.length;
      this.p = Math.min(this.p + delta, c);
      victim = this.replace(x);
      drop(b1, x);
      t2.push(x);
    } else if (b2.includes(x)) {
      // Case III
      const delta = b2.length >= b1.length ? 1 : b1.length / b2.length;
      this.p = Math.max(this.p - delta, 0);
      victim = this.replace(x);
      drop(b2, x);
      t2.push(x);
    } else {
      // Case IV
      victim = NONE;
      const l1 = t1.length + b1.length;
      const all = l1 + t2.length + b2.length;
      if (l1 === c) {
        // Case A
        if (t1.length < c) {
          b1.shift();
          victim = this.replace(x);
        } else victim = t1.shift();
      } else if (all >= c) {
        // Case B
        if (all === 2 * c) b2.shift();
        victim = this.replace(x);
      }
      t1.push(x);
    }
    return victim;
  }
  replace(x) {
    const { t1, t2, b1, b2, p } = this;
    const fromT1 = t1.length >= 1 && ((b2.includes(x) && t1.length === p) || t1.length > p);
    const victim = (fromT1 ? t1 : t2).shift();
    (fromT1 ? b1 : b2).push(victim);
    return victim;
  }
}

const models = [Clock, Lru, TwoQ, LruK, Lirs, Arc]; // in the order of StrataPolicyKind

// So many integers from standard input; null at its end.
function integers(n) {
  const bytes = Buffer.alloc(4 * n);
  for (let got = 0; got < bytes.length;) {
    const more = fs.readSync(0, bytes, got, bytes.length - got, null);
    if (more === 0) return null;
    got += more;
  }
  return new Int32Array(bytes.buffer, bytes.byteOffset, n);
}

const shown = (outcome) => (outcome === HIT ? 'hit' : outcome === NONE ? 'miss' : `miss, ${outcome} leaves`);
const groups = [];
for (let head; (head = integers(11)) !== null;) {
  const [group, policy, frames, k, correlated, history, kin, kout, hir, lirsHistory, n] = head;
  const body = integers(2 * n);
  const params = { k, correlated, history: history / 1000, kin: kin / 1000, kout: kout / 1000, hir: hir / 1000,
    lirsHistory: lirsHistory / 1000 };
  const model = new models[policy](frames, params);
  const sum = (groups[group] ??= { cases: 0, accesses: 0, differs: null });
  sum.cases++;
  for (let i = 0; i < n && sum.differs === null; i++) {
    const outcome = model.access(body[2 * i]);
    sum.accesses++;
    if (outcome !== body[2 * i + 1])
      sum.differs = `${models[policy].name} ${JSON.stringify({ frames, ...params })}, access ${i} to page ${body[2 * i]}` +
        ` of ${body.filter((_, j) => j % 2 === 0 && j <= 2 * i).slice(-12)}:` +
        ` the model says ${shown(outcome)}, the code ${shown(body[2 * i + 1])}`;
  }
}
for (const g of groups) console.log(g.differs === null ? `same ${g.cases} ${g.accesses}` : `differs ${g.differs}`);
