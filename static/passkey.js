// Passkeys: the one thing on the console that works by script alone. A form that holds a [data-passkey] asks the browser
// for one when it is sent, puts the answer into a hidden field, and goes on its way as any other form.
"use strict";

(() => {
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  const named = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));

  async function ask(kind, options) {
    const publicKey = { ...options, challenge: bytes(options.challenge) };
    if (kind === "create") {
      publicKey.user = { ...options.user, id: bytes(options.user.id) };
      publicKey.excludeCredentials = named(options.excludeCredentials);
      return navigator.credentials.create({ publicKey });
    }
    publicKey.allowCredentials = named(options.allowCredentials);
    return navigator.credentials.get({ publicKey });
  }

  function written(credential) {
    const response = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (credential.response[name]) response[name] = text(credential.response[name]);
    }
    const { id, type } = credential;
    return JSON.stringify({ id, type, rawId: text(credential.rawId), response, clientExtensionResults: {} });
  }

  function prepare(box) {
    const form = box.closest("form");
    const button = box.querySelector("button");
    const field = document.getElementById(box.dataset.into);
    const failed = box.querySelector("[data-failed]");
    button.hidden = false;
    box.querySelector("[data-without]").hidden = true;
    form.addEventListener("submit", async (event) => {
      if (event.submitter !== button || field.value) return;
      event.preventDefault();
      failed.hidden = true;
      button.setAttribute("aria-busy", "true");
      try {
        const credential = await ask(box.dataset.passkey, JSON.parse(box.dataset.options));
        field.value = written(credential);
        form.requestSubmit(button);
      } catch {
        failed.hidden = false;
        failed.setAttribute("role", "alert");
      } finally {
        button.removeAttribute("aria-busy");
      }
    });
  }

  if (!window.PublicKeyCredential) return;
  document.querySelectorAll("[data-passkey]").forEach(prepare);
  // A page that comes back from the browser's memory holds an answer that was used.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) document.querySelectorAll("[data-passkey] input[type=hidden]").forEach((field) => { field.value = ""; });
  });
})();
