// The studio: shows a mail in frames of several readers, and again whenever a template's file or the
// report changes. The server makes the mail once, and puts its HTML into the page as text.
"use strict";

(() => {
  const page = document.querySelector(".studio");
  if (!page) return;

  // Frames. A mail runs no script: neither its frame nor its own policy allows any. Since the frames
  // are `allow-same-origin`, this script can put the new mail in their documents, where the policy
  // with which they were loaded still holds; scroll positions stay, and nothing flickers.

  function show(frame, html) {
    const shown = frame.contentDocument;
    if (!shown?.documentElement) return;
    if (html !== undefined) {
      // The frame's own parser: this page's policy would refuse a mail's inline styles.
      const parsed = new frame.contentWindow.DOMParser().parseFromString(html, "text/html");
      shown.replaceChild(shown.adoptNode(parsed.documentElement), shown.documentElement);
    }
    prefer(shown, frame.dataset.scheme);
    fit(frame); // of app.js
  }

  // Browsers have no way to give a frame a colour scheme of its own. So a media query for one
  // becomes a query that is always, or never, true.
  function prefer(shown, scheme) {
    const answer = (_, wanted) => (wanted.toLowerCase() === scheme ? "(min-width: 0px)" : "(min-width: 99999px)");
    const decide = (query) => query.replace(/\(\s*prefers-color-scheme\s*:\s*(light|dark)\s*\)/gi, answer);
    const visit = (rules) => {
      for (const rule of rules) {
        if (rule instanceof shown.defaultView.CSSMediaRule) {
          const query = decide(rule.media.mediaText);
          if (query !== rule.media.mediaText) rule.media.mediaText = query;
        }
        if (rule.cssRules) visit(rule.cssRules);
      }
    };
    for (const sheet of shown.styleSheets) {
      const query = decide(sheet.media.mediaText);
      if (query !== sheet.media.mediaText) sheet.media.mediaText = query;
      visit(sheet.cssRules);
    }
    for (const source of shown.querySelectorAll("source[media]")) source.media = decide(source.media);
    const root = shown.documentElement;
    const supported = root.ownerDocument.querySelector("meta[name='color-scheme' i]")?.content ?? "";
    const declared = shown.defaultView.getComputedStyle(root).colorScheme;
    root.style.colorScheme = /dark/.test(supported + declared) ? scheme : "light";
  }

  const frames = [...page.querySelectorAll("iframe[data-scheme]")];
  const htmlOf = (frame) => document.getElementById(frame.dataset.html)?.textContent;

  // The server has no page of the mail as Outlook has it: its frame is loaded with the mail itself.
  const first = (frame) => show(frame, frame.hasAttribute("data-replaced") ? htmlOf(frame) : undefined);

  for (const frame of frames) {
    frame.shown = htmlOf(frame);
    whenLoaded(frame, () => first(frame));
  }

  // Frames that are not to be seen wait until they are.
  function showAll() {
    for (const frame of frames.filter((one) => one.clientHeight > 0)) {
      const html = htmlOf(frame);
      if (html !== undefined && html !== frame.shown) show(frame, (frame.shown = html));
    }
  }

  page.querySelector("#studio-frames")?.addEventListener("change", showAll);

  // The report: its JSON in a text area, and the same as a tree. Whoever edits one sees the other.

  const text = page.querySelector("#report");
  const tree = page.querySelector("#report-tree");
  const opened = new Set([""]);
  const MOST = 200; // members of a list that the tree shows
  let report;
  let waiting;

  function compact(json) {
    try {
      return JSON.stringify(JSON.parse(json));
    } catch {
      return json; // the service says what is wrong with it
    }
  }

  const escaped = (name) => String(name).replaceAll("~", "~0").replaceAll("/", "~1");
  const element = (name, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };

  function edited(delay) {
    clearTimeout(waiting);
    waiting = setTimeout(() => htmx.trigger(page, "studio-edit"), delay);
  }

  function branch(value, name, pointer) {
    const list = element("ul");
    const details = element("details", { open: opened.has(pointer) }, list);
    const count = Object.keys(value).length;
    const kind = Array.isArray(value) ? `${count} in a list` : `${count} members`;
    details.dataset.pointer = pointer;
    details.prepend(element("summary", {}, element("code", { textContent: name }), ` ${kind}`));
    const fill = () => {
      if (!details.open || list.childElementCount) return;
      for (const key of Object.keys(value).slice(0, MOST)) {
        list.append(element("li", {}, node(value, key, `${pointer}/${escaped(key)}`)));
      }
      if (count > MOST) list.append(element("li", { textContent: `… and ${count - MOST} more: edit them in the JSON.` }));
    };
    details.addEventListener("toggle", () => {
      opened[details.open ? "add" : "delete"](pointer);
      fill();
    });
    fill();
    return details;
  }

  function node(owner, key, pointer) {
    const value = owner[key];
    if (value !== null && typeof value === "object") return branch(value, key, pointer);
    const isLong = typeof value === "string" && /\n|.{60}/.test(value);
    const input = element(isLong ? "textarea" : "input", { id: `at-${pointer}`, spellcheck: false });
    if (typeof value === "boolean") Object.assign(input, { type: "checkbox", checked: value });
    else input.value = value ?? "";
    if (isLong) input.rows = Math.min(8, value.split("\n").length + 1);
    if (value === null) input.placeholder = "null";
    if (typeof value === "number") input.inputMode = "numeric";
    input.dataset.pointer = pointer;
    input.addEventListener("input", () => {
      owner[key] = read(input, value);
      text.value = JSON.stringify(report, null, 2);
      edited(150);
    });
    return element("label", {}, element("code", { textContent: key }), " ", input);
  }

  function read(input, before) {
    if (typeof before === "boolean") return input.checked;
    if (before === null && input.value === "") return null;
    const isNumber = typeof before === "number" && input.value.trim() !== "";
    return isNumber && Number.isFinite(Number(input.value)) ? Number(input.value) : input.value;
  }

  function grow() {
    try {
      report = JSON.parse(text.value);
    } catch {
      tree.replaceChildren(element("p", { className: "quiet", textContent: "The tree comes back once the JSON is complete." }));
      return;
    }
    const isTree = report !== null && typeof report === "object";
    tree.replaceChildren(isTree ? branch(report, "report", "") : "");
  }

  // A message names a member by its pointer; this opens the tree down to it.
  function reveal(pointer) {
    const names = pointer.split("/");
    names.forEach((_, depth) => opened.add(names.slice(0, depth + 1).join("/")));
    grow();
    const found = tree.querySelector(`[data-pointer="${CSS.escape(pointer)}"]`);
    const target = found?.matches("details") ? found.querySelector("summary") : found;
    (target ?? text).focus();
  }

  if (text) {
    grow();
    text.addEventListener("input", () => {
      grow();
      edited(300);
    });
    text.form.addEventListener("submit", (event) => {
      event.preventDefault();
      edited(0);
    });
    text.form.addEventListener("reset", () => setTimeout(() => (grow(), edited(0))));
    page.querySelector("#report-save").addEventListener("click", (event) => {
      event.currentTarget.href = URL.createObjectURL(new Blob([text.value], { type: "application/json" }));
    });
  }

  // What is sent, or kept as a sample, is what the page shows.
  for (const form of document.querySelectorAll(".preview-actions form")) {
    form.enctype = "multipart/form-data"; // in which JSON is as long as it is
    form.addEventListener("submit", () => {
      form.elements.report.value = isEdited() ? compact(text.value) : "";
      form.target = isEdited() ? "_blank" : ""; // to leave this page would lose the changes
    });
  }

  let wasEdited = false; // when the last request was made

  // A request for the mail or its checks has the report as its body if it is edited, and else
  // `null`: then the server takes what its source has now.
  const isEdited = () => text !== null && text.value !== text.defaultValue;
  const hasReport = (element) => element === page || element.closest(".checks") !== null;

  htmx.defineExtension("studio", {
    onEvent: (name, event) => {
      if (name !== "htmx:configRequest" || !hasReport(event.detail.elt)) return;
      event.detail.headers["Content-Type"] = "application/json";
      if (event.detail.elt !== page) return;
      // After an edit or an error the page shows something else than its source.
      const showsSource = !wasEdited && page.querySelector("#studio-problems").textContent.trim() === "";
      if (showsSource) event.detail.headers["If-None-Match"] = document.getElementById("studio-version").textContent;
      wasEdited = isEdited();
    },
    encodeParameters: (request, parameters, element) => {
      if (!hasReport(element)) return null; // a form on the page
      return isEdited() ? text.value : "null";
    },
  });

  // Lists that were open stay so when their content is replaced.

  const unfolded = new Map();
  page.addEventListener("toggle", (event) => {
    const key = event.target.dataset?.key;
    if (key) unfolded.set(key, event.target.open);
  }, true);

  const status = page.querySelector("#studio-status");
  let connections = 0;

  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.elt !== page) return;
    if (!event.detail.successful) {
      status.textContent = event.detail.xhr.status
        ? `The service answered ${event.detail.xhr.status}: this is the mail before. Load the page again.`
        : "The service does not answer: this is the mail before.";
      return;
    }
    // What nobody has edited follows its source.
    const fresh = document.getElementById("studio-report")?.textContent;
    if (text && fresh !== undefined && text.value === text.defaultValue && text.value !== fresh) {
      text.defaultValue = fresh;
      grow();
    }
    for (const details of page.querySelectorAll("details[data-key]")) {
      const isOpen = unfolded.get(details.dataset.key);
      if (isOpen !== undefined && !details.hasAttribute("data-fault")) details.open = isOpen;
    }
    showAll();
    status.textContent = `Made ${new Date().toLocaleTimeString()}`;
  });

  // Whoever was away, or a service that was restarted, may have missed a change.
  page.addEventListener("htmx:sseOpen", () => {
    connections += 1;
    if (connections > 1) edited(0);
  });

  page.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-pointer]");
    if (!link || !text) return;
    event.preventDefault();
    reveal(link.dataset.pointer);
  });
})();
