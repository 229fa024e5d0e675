// Scores of a run beside its baselines, each with its interval and its protocol.
import { words } from "./language";
import type { Baseline, Metric } from "./shapes";
import { figure } from "./sizes";

const interval = (metric: Metric | null | undefined): string =>
  metric && metric.low !== null && metric.high !== null ? ` [${figure(metric.low)}, ${figure(metric.high)}]` : "";

export function Scores({ scores, baselines }: { scores: Metric[]; baselines: Baseline[] }) {
  const w = words.value.train;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={w.scores}>
      <table class="figures">
        <caption>{w.scores}</caption>
        <thead>
          <tr>
            <td />
            {scores.map((score) => (
              <th scope="col" key={score.name}>
                {score.name} <span class="quiet">{w.better[score.better] ?? ""}</span>
              </th>
            ))}
            <th scope="col">{w.gain}</th>
          </tr>
        </thead>
        <tbody>
          <tr>
            <th scope="row">{w.thisRun}</th>
            {scores.map((score) => (
              <td key={score.name}>
                <b>{figure(score.value)}</b>
                <span class="quiet">{interval(score)}</span>
              </td>
            ))}
            <td />
          </tr>
          {baselines.map((baseline) => (
            <tr key={baseline.name}>
              <th scope="row" lang="en">
                {baseline.name}
              </th>
              {scores.map((score) => {
                const same = baseline.scores.find((each) => each.name === score.name);
                return (
                  <td key={score.name}>
                    {figure(same?.value)}
                    <span class="quiet">{interval(same)}</span>
                  </td>
                );
              })}
              <td>
                {figure(baseline.gain?.value)}
                <span class="quiet">{interval(baseline.gain)}</span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {scores[0] && (
        <p class="legend" lang="en">
          {scores[0].protocol}
        </p>
      )}
    </div>
  );
}
