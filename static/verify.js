// Reckons the SHA-256 of a file that is chosen or dropped, here in the browser, and sends that alone: the file itself goes nowhere.
"use strict";

(() => {
  const box = document.getElementById("file-box");
  if (!window.isSecureContext || !crypto.subtle || !Blob.prototype.arrayBuffer) return; // The form takes a SHA-256 from elsewhere.
  const field = document.getElementById("code");
  const input = document.getElementById("file");
  const busy = box.querySelector("[data-busy]");
  const failed = box.querySelector("[data-failed]");
  box.hidden = false;

  async function check(file) {
    busy.hidden = false;
    failed.hidden = true;
    try {
      const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
      field.value = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
      field.form.submit();
    } catch {
      busy.hidden = true;
      failed.hidden = false;
    }
  }

  input.addEventListener("change", () => input.files.length && check(input.files[0]));

  // The whole page takes it: a browser leaves for a file that is dropped beside the box.
  const brings = (event) => event.dataTransfer.types.includes("Files");
  document.addEventListener("dragover", (event) => brings(event) && event.preventDefault());
  document.addEventListener("drop", (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    if (event.dataTransfer.files.length) check(event.dataTransfer.files[0]);
  });

  // A page that comes back from the browser's memory; the same file can be chosen again.
  addEventListener("pageshow", () => {
    busy.hidden = true;
    input.value = "";
  });
})();
