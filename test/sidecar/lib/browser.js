// browser.js - headless chromium on the dashboard, with everything that it complains about.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { chromium } from 'playwright-core';

const PROGRAMS = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export class Browser {
  /** options: of playwright's browser context (viewport, colorScheme, bypassCSP …). */
  static async open(options = {}) {
    const program = PROGRAMS.find((name) => name && fs.existsSync(name));
    if (!program) throw new Error('no chromium is installed; CHROMIUM may name one');
    const browser = new Browser();
    browser.profile = fs.mkdtempSync(path.join(os.tmpdir(), 'strata-chromium-'));
    browser.context = await chromium.launchPersistentContext(browser.profile, { executablePath: program, headless: true, args: FLAGS, viewport: { width: 1280, height: 900 }, ...options });
    return browser;
  }

  /** A page that keeps its complaints: console errors, exceptions, policy violations, requests that leave this server. */
  async page(origin) {
    const page = await this.context.newPage();
    page.complaints = [];
    page.setDefaultTimeout(20000);
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') page.complaints.push(`${message.type()}: ${message.text()}`);
    });
    page.on('pageerror', (error) => page.complaints.push(`exception: ${error.message}`));
    page.on('request', (request) => {
      const { host, protocol } = new URL(request.url());
      if (protocol !== 'data:' && host !== new URL(origin).host) page.complaints.push(`request to ${request.url()}`);
    });
    await page.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
    });
    return page;
  }

  async close() {
    await this.context.close();
    fs.rmSync(this.profile, { recursive: true, force: true });
  }
}
