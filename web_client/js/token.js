// The access token of a server that wants one. Kept for this tab only; never in a URL.

const KEY = 'earshot.token';

/** Whether a header can carry it: visible ASCII in one piece, which all tokens and keys are. */
const isSendable = (value) => /^[!-~]+$/.test(value);

export function token() {
  const kept = sessionStorage.getItem(KEY) ?? '';
  return isSendable(kept) ? kept : '';
}

export function keep(value) {
  if (value) sessionStorage.setItem(KEY, value);
  else sessionStorage.removeItem(KEY);
}

/** Headers that carry the token, if there is one. */
export const authorization = () => (token() ? { Authorization: `Bearer ${token()}` } : {});

let asking = null; // one form at a time, however many requests were refused

/** Ask the person for a token. Resolves to true when one was given, false when they closed the form. */
export function askForToken() {
  asking ??= (async () => {
    await import('../elements/token_form.js');
    const form = document.createElement('token-form');
    document.body.append(form);
    try {
      const value = await form.ask({ again: token() !== '', isSendable });
      if (value) keep(value);
      return Boolean(value);
    } finally {
      form.remove();
      asking = null;
    }
  })();
  return asking;
}
