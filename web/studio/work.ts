// Long work on the server: started, followed event by event, cancelled; its result stays until the next is asked for.
import { batch, signal } from "@preact/signals";
import { get, remove, send, token, wrongOf } from "./api";
import type { Event, Job, JobState, Point, Wrong } from "./shapes";

const POLL = 700; // milliseconds, where events do not come through

const over = (state: JobState): boolean => state === "done" || state === "failed" || state === "cancelled";

export class Work<Result> {
  readonly job = signal("");
  readonly state = signal<JobState | "none">("none");
  readonly fraction = signal<number | null>(null);
  readonly line = signal("");
  readonly result = signal<Result | null>(null);
  readonly command = signal("");
  readonly wrong = signal<Wrong | null>(null);
  readonly points = signal<Point[]>([]);
  private source: EventSource | null = null;

  constructor(readonly kind: string) {}

  get busy(): boolean {
    return this.state.value === "waiting" || this.state.value === "running";
  }

  /** Starts it; a result that is there stays on the page until the new one comes. */
  async start(body: unknown): Promise<void> {
    this.leave();
    batch(() => {
      this.state.value = "waiting";
      this.fraction.value = null;
      this.line.value = "";
      this.wrong.value = null;
      this.points.value = [];
      this.job.value = "";
    });
    try {
      const { job } = await send<{ job: string }>(`/api/jobs/${this.kind}`, body);
      this.follow(job);
    } catch (error) {
      batch(() => {
        this.wrong.value = wrongOf(error);
        this.state.value = "failed";
      });
    }
  }

  /** Follows work that has been started, by this page or an earlier one. */
  follow(job: string): void {
    this.leave();
    this.job.value = job;
    this.points.value = [];
    if (this.state.value === "none") this.state.value = "waiting";
    const source = new EventSource(`/api/jobs/${job}/events?token=${encodeURIComponent(token)}`);
    this.source = source;
    source.onmessage = (event) => this.heard(JSON.parse(event.data));
    source.onerror = () => {
      source.close();
      if (this.source !== source) return;
      this.source = null;
      void this.poll(job);
    };
  }

  /** An error or a cancelled state is no longer shown. */
  forget(): void {
    if (this.busy) return;
    this.wrong.value = null;
    if (this.state.value !== "done") this.state.value = "none";
  }

  async cancel(): Promise<void> {
    try {
      if (this.job.value) await remove(`/api/jobs/${this.job.value}`);
    } catch (error) {
      this.wrong.value = wrongOf(error);
    }
  }

  private leave(): void {
    this.source?.close();
    this.source = null;
  }

  private heard(event: Event): void {
    batch(() => {
      this.fraction.value = event.fraction ?? null;
      if (event.line) this.line.value = event.line;
      if (event.points?.length) this.points.value = [...this.points.value, ...event.points];
      if (!over(event.state)) this.state.value = event.state;
    });
    if (over(event.state)) {
      this.leave();
      void this.fetched(this.job.value);
    }
  }

  private async poll(job: string): Promise<void> {
    while (this.job.value === job && this.busy && !this.source) {
      if (await this.fetched(job)) return;
      await new Promise((done) => setTimeout(done, POLL));
    }
  }

  /** Asks for the job as it is; true when it is over. */
  private async fetched(job: string): Promise<boolean> {
    try {
      const found = await get<Job<Result>>(`/api/jobs/${job}`);
      if (this.job.value !== job) return true;
      batch(() => {
        this.fraction.value = found.fraction ?? null;
        this.line.value = found.line;
        if (found.command) this.command.value = found.command;
        if (found.state === "done" && found.result !== undefined) this.result.value = found.result;
        if (found.error) this.wrong.value = found.error;
        this.state.value = found.state;
      });
      return over(found.state);
    } catch (error) {
      batch(() => {
        this.wrong.value = wrongOf(error);
        this.state.value = "failed";
      });
      return true;
    }
  }
}
