// What pages do beyond htmx. They work without it, too.
"use strict";

// Times are written in UTC; the reader sees them in the own zone, and UTC on hovering.
const shownTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

function localize(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
    time.title = time.textContent;
    time.textContent = shownTime.format(new Date(time.dateTime));
  }
}

// A form that can't be undone asks first: <form data-confirm="Cancel this mail?">.
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

document.addEventListener("htmx:load", (event) => localize(event.detail.elt));
localize(document);

// A mail's frame is as high as its mail, and stays so when the window's width changes. The mail can
// run no script; its frame is `allow-same-origin` only so that this page can measure it.
function fit(frame) {
  const root = frame.contentDocument?.documentElement;
  if (!root) return;
  const measure = () => {
    const height = root.getBoundingClientRect().height;
    if (height > 0) frame.style.height = `${Math.ceil(height) + 2}px`; // with its border
  };
  frame.observer?.disconnect();
  frame.observer = new ResizeObserver(measure);
  frame.observer.observe(root);
  measure();
}

function whenLoaded(frame, act) {
  frame.addEventListener("load", act);
  const loaded = frame.contentDocument;
  if (loaded?.readyState === "complete" && loaded.URL !== "about:blank") act();
}

// Those with a scheme are the studio's, which puts other mails in them.
for (const frame of document.querySelectorAll("iframe.mail:not([data-scheme])")) {
  whenLoaded(frame, () => fit(frame));
}
