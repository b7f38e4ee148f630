// What the page uses of the DOM. This repository is checked without it; yours has "lib": ["dom", "esnext"] for its pages.

/** An element. */
export interface Element {
  textContent: string | null;
  className: string;
  value: string | number;
  max: number;
  disabled: boolean;
  onclick: (() => unknown) | null;
  onsubmit: ((event: Event) => unknown) | null;
  append(...children: readonly Element[]): void;
  prepend(child: Element): void;
  replaceWith(other: Element): void;
  remove(): void;
  querySelectorAll(selector: string): Iterable<Element>;
}

/** The page. */
export interface Document {
  getElementById(id: string): Element;
  createElement(tag: string): Element;
}

export const document: Document = (globalThis as unknown as Record<"document", Document>).document;
