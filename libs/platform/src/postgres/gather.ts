import { activeSpan, recordsSpans, withSpan } from '../telemetry/active-span.js';
import { SharedSpan } from '../telemetry/span.js';
import type { Span } from '../telemetry/span.js';

export interface GatherOptions {
  /** Questions in one batch at most. */
  readonly batch?: number;
  /** Batches under way at once. Few: while they are, questions collect and the next batch is larger, which is what saves CPU. */
  readonly inFlight?: number;
}

interface Caller<Answer> {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
  /** What it asks for, where its trace is recorded. */
  readonly span: Span | undefined;
}

/**
 * Collects the questions that one turn of the event loop asks and runs them as one. Every answer was looked up after its
 * question was asked, so this is no cache.
 */
export class Gather<Question, Answer> {
  private questions: Question[] = [];
  private callers: Caller<Answer>[] = [];
  private readonly batch: number;
  private readonly inFlight: number;
  private running = 0;
  private scheduled = false;

  /** @param run answers in the order of the questions, one each; when it rejects, every question of the batch does */
  constructor(private readonly run: (questions: readonly Question[]) => Promise<Answer[]>, options: GatherOptions = {}) {
    this.batch = options.batch ?? 64;
    this.inFlight = options.inFlight ?? 2;
  }

  ask(question: Question): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.questions.push(question);
      this.callers.push({ resolve, reject, span: activeSpan() });
      this.schedule();
    });
  }

  private schedule(): void {
    if (this.scheduled || this.running >= this.inFlight) return;
    this.scheduled = true;
    setImmediate(this.send);
  }

  private readonly send = (): void => {
    this.scheduled = false;
    while (this.questions.length > 0 && this.running < this.inFlight) {
      const all = this.questions.length <= this.batch;
      const questions = all ? this.questions : this.questions.splice(0, this.batch);
      const callers = all ? this.callers : this.callers.splice(0, this.batch);
      if (all) {
        this.questions = [];
        this.callers = [];
      }
      this.running++;
      void this.answer(questions, callers);
    }
  };

  private async answer(questions: readonly Question[], callers: readonly Caller<Answer>[]): Promise<void> {
    try {
      const answers = await (recordsSpans() ? this.runTraced(questions, callers) : this.run(questions));
      if (answers.length !== questions.length) throw new Error(`${questions.length} questions were answered by ${answers.length} answers; expected one each`);
      for (const [i, answer] of answers.entries()) callers[i]?.resolve(answer);
    } catch (error) {
      for (const caller of callers) caller.reject(error);
    } finally {
      this.running--;
      if (this.questions.length > 0) this.schedule();
    }
  }

  /** We run in the context of whoever asked first in this turn: the query belongs to everybody who asked, or to nobody. */
  private runTraced(questions: readonly Question[], callers: readonly Caller<Answer>[]): Promise<Answer[]> {
    const spans = callers.map(({ span }) => span).filter((span) => span !== undefined);
    return withSpan(spans.length === 0 ? undefined : new SharedSpan(spans, questions.length), () => this.run(questions));
  }
}
