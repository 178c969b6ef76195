import { createBowl, listBowls } from "./api.ts";
import { ago, summary, type Bowl } from "./bowls.ts";

function element<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`index.html lacks #${id}`);
  return found;
}

const form = element("add", HTMLFormElement);
const input = element("text", HTMLInputElement);
const list = element("bowls", HTMLOListElement);
const summaryLine = element("summary", HTMLParagraphElement);
const errorLine = element("error", HTMLParagraphElement);

function render(bowl: Bowl, now: Date): HTMLLIElement {
  const time = document.createElement("time");
  time.dateTime = bowl.created_at;
  time.textContent = ago(new Date(bowl.created_at), now);

  const item = document.createElement("li");
  item.append(bowl.text, time);
  return item;
}

async function refresh(): Promise<void> {
  const bowls = await listBowls();
  const now = new Date();
  list.replaceChildren(...bowls.map((bowl) => render(bowl, now)));
  summaryLine.textContent = summary(bowls.length);
}

/** Do something that may fail, and show on the page if it does. */
async function attempt(action: () => Promise<void>): Promise<void> {
  errorLine.hidden = true;
  try {
    await action();
  } catch (error) {
    errorLine.textContent = error instanceof Error ? error.message : String(error);
    errorLine.hidden = false;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  void attempt(async () => {
    await createBowl(input.value);
    form.reset();
    await refresh();
  });
});

void attempt(refresh);
