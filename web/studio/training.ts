// The training that is under way, and the runs and tasks that there are.
import { effect, signal } from "@preact/signals";
import { get, wrongOf } from "./api";
import { findSubjects } from "./asking";
import type { Job, Wrong } from "./shapes";
import type { RunRow, Task, TrainResult } from "./train-shapes";
import { Work } from "./work";

export const training = new Work<TrainResult>("train");
export const tasks = signal<Task[] | null>(null);
export const runs = signal<RunRow[] | null>(null);
export const runsWrong = signal<Wrong | null>(null);

export async function findRuns(): Promise<void> {
  try {
    [tasks.value, runs.value] = [tasks.value ?? (await get<Task[]>("/api/tasks")), await get<RunRow[]>("/api/runs")];
    runsWrong.value = null;
  } catch (error) {
    runsWrong.value = wrongOf(error);
  }
}

/** A training that an earlier page started is taken up again. */
export async function takenUp(): Promise<void> {
  try {
    const jobs = await get<Job[]>("/api/jobs");
    const running = jobs.find((job) => job.kind === "train" && (job.state === "running" || job.state === "waiting"));
    if (running && training.state.value === "none") training.follow(running.job);
  } catch {
    // the list of runs says what is wrong
  }
}

effect(() => {
  const state = training.state.value;
  if (state !== "done" && state !== "cancelled") return;
  void findRuns();
  void findSubjects();
});
