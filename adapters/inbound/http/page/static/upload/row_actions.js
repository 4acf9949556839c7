/** What the buttons of a row do. */

import { copyText } from "../lib/clipboard.js";
import { bytes } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { openable } from "../lib/links.js";
import { State } from "./upload.js";

/** What rows ask for. `pick` has the person choose a file for an upload that misses its own. */
export function actionsOf({ uploads, server, questions, say, me }, pick) {
  return {
    toggle: (upload) => (upload.state === State.PAUSED ? uploads.resume(upload) : uploads.pause(upload)),
    retry: (upload) => uploads.retry(upload),
    async pick(upload) {
      // A kept handle only needs leave; its question must come straight from the click.
      if (upload.handle && !upload.problem && (await uploads.reopen(upload))) return;
      pick(upload);
    },
    async open(upload, event) {
      if (me.opensForAll) return;
      event.preventDefault();
      const link = await openable(server, upload.id, me).catch(() => null);
      if (link) window.open(link, "_blank", "noopener"); // the page goes on: others are being sent
    },
    async copy(upload) {
      const link = await openable(server, upload.id, me).catch(() => null);
      const worked = link !== null && (await copyText(link));
      flash(upload, worked ? "copy" : "failed");
      say(worked ? t("Link copied.") : t("The link could not be copied."));
    },
    async details(upload) {
      const { text, requestId } = upload.problem;
      const worked = await copyText(`${upload.fullName}\n${text}\nX-Request-Id: ${requestId}`);
      flash(upload, worked ? "details" : "");
      say(worked ? t("Details copied.") : t("The details could not be copied."));
    },
    async remove(upload) {
      if (upload.state === State.DONE) uploads.clear(upload);
      else if (upload.stored === 0 || (await asked(questions, upload))) {
        if (upload.state === State.DONE) return; // it finished while we asked
        uploads.cancel(upload);
        say(t("{name}: cancelled.", upload));
      }
    },
  };
}

function flash(upload, what) {
  upload.copied = what;
  upload.news.value += 1;
  setTimeout(() => {
    upload.copied = "";
    upload.news.value += 1;
  }, 2000);
}

function asked(questions, upload) {
  return questions.ask({
    title: t("Cancel this upload?"),
    text: t("{part} of “{name}” are stored on the server and would be deleted there.", { part: bytes(upload.stored), name: upload.name }),
    keep: t("Keep it"),
    act: t("Cancel the upload"),
  });
}
