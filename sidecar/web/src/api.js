// api.js - the token, and JSON over HTTP.  Knows nothing of the page.

const KEY = 'strata-token';

/** An answer that was not 2xx: `status`, and what the problem document said. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem?.detail || problem?.title || `HTTP status ${status}`);
    this.status = status;
    this.code = problem?.code;
  }
}

/** A token given as #token=… moves to this tab's storage and out of the address bar and the history. */
export function adoptTokenFromAddress() {
  const match = /(?:^#|&)token=([^&]+)/.exec(location.hash);
  if (!match) return;
  sessionStorage.setItem(KEY, decodeURIComponent(match[1]));
  history.replaceState(null, '', location.pathname + location.search);
}

export const token = () => sessionStorage.getItem(KEY);
export const setToken = (value) => sessionStorage.setItem(KEY, value);
export const forgetToken = () => sessionStorage.removeItem(KEY);

async function request(method, path, body) {
  const headers = { Accept: 'application/json' };
  if (token()) headers.Authorization = `Bearer ${token()}`;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  const response = await fetch(path, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    cache: 'no-store',
    credentials: 'omit',
    signal: AbortSignal.timeout(10000),
  });
  const text = await response.text();
  let value = null;
  try {
    value = text ? JSON.parse(text) : null;
  } catch {
    value = null;
  }
  return { status: response.status, ok: response.ok, value };
}

export async function get(path) {
  const answer = await request('GET', path);
  if (!answer.ok) throw new ApiError(answer.status, answer.value);
  return answer.value;
}

export async function post(path, body) {
  const answer = await request('POST', path, body);
  if (!answer.ok) throw new ApiError(answer.status, answer.value);
  return answer.value;
}

/** /readyz answers with the same body when it says no, so its status is not an error here. */
export async function readiness() {
  const answer = await request('GET', '/readyz');
  if (answer.status !== 200 && answer.status !== 503) throw new ApiError(answer.status, answer.value);
  return answer.value ?? {};
}
