import { markIn } from "./authority.js";
import type { Answer, Question } from "./records.js";

/** Every answer that an upstream gave in time, so that one which turns up anywhere can be traced to the call that brought it. */
export class Archive {
  readonly #byMark = new Map<string, Answer>();
  readonly #byQuestion = new Map<Question, Answer[]>();

  add(answer: Answer): void {
    const mark = markOf(answer);
    if (mark !== undefined) this.#byMark.set(mark, answer);
    const answers = this.#byQuestion.get(answer.question);
    if (answers) answers.push(answer);
    else this.#byQuestion.set(answer.question, [answer]);
  }

  find(text: string): Answer | undefined {
    const mark = markIn(text);
    return mark === undefined ? undefined : this.#byMark.get(mark);
  }

  /** The newest first: it explains most. */
  answersTo(question: Question): Answer[] {
    return [...(this.#byQuestion.get(question) ?? [])].reverse();
  }
}

/** What tells an answer from all others; an empty list carries no mark. */
export function markOf({ body }: Answer): string | undefined {
  switch (body.kind) {
    case "user":
      return markIn(body.email);
    case "organization":
      return markIn(body.name);
    case "list":
      return markIn(body.list[body.list.length - 1] ?? "");
  }
}
