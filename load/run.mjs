#!/usr/bin/env node
// Runs load scenarios (load/scenarios/*.json) and writes what they gave: see load/run.mjs --help.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { checkRun } from './lib/checks.mjs';
import { drivePart } from './lib/drive.mjs';
import { figuresOf, headlines, summarize } from './lib/figures.mjs';
import { describeMachine, requireDescriptors, requirePrograms } from './lib/machine.mjs';
import { Advice, readOptions, usage } from './lib/options.mjs';
import { Progress } from './lib/progress.mjs';
import { record } from './lib/record.mjs';
import { reportHtml } from './lib/report.mjs';
import { expectedSeconds, loadScenario, scenarioNames } from './lib/scenario.mjs';
import { logOf, openStage } from './lib/stage.mjs';
import { failureText, tableText } from './lib/table.mjs';

const OVERHEAD_S = 5; // Redis, certificate, start and stop of a run

// One run of a scenario: its parts in turn on one stage. The stage goes down whatever happens.
async function runOnce(scenario, progress, out) {
  const stage = await openStage();
  const runs = [];
  stopNow = () => stage.close();
  try {
    for (const part of scenario.parts) {
      progress.part(part);
      const run = await drivePart(stage, part, (sample) => progress.sample(sample, part));
      run.figures = figuresOf(run, part.sessions);
      run.failures = checkRun(run, part);
      runs.push(run);
    }
    if (runs.some((run) => run.failures.length > 0)) writeFileSync(path.join(out, `${scenario.name}.log`), logOf(stage));
  } finally {
    await stage.close();
    stopNow = null;
  }
  return runs;
}

let stopNow = null;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    process.stderr.write(`\n${signal}: stopping what was started\n`);
    await stopNow?.();
    process.exit(2);
  });
}

function collect(scenario, runs, options) {
  const parts = scenario.parts.map((part, i) => {
    const own = runs.map((parts) => parts[i]);
    return { name: part.name, settings: part, figures: summarize(own.map((run) => run.figures)), runs: own };
  });
  const byPart = runs.map((list) => Object.fromEntries(list.map((run) => [run.part, run.figures])));
  const failures = runs.flatMap((list, n) => list.flatMap((run) => run.failures.map((f) => ({ run: n + 1, part: run.part, ...f }))));
  const { name, title, description, asserts, bars } = scenario;
  return { name, title, description, asserts, bars, runs: runs.length, asked: Math.min(options.runs, scenario.mostRuns), parts, failures,
    headline: headlines(scenario, byPart) };
}

// Pass by pass over all scenarios, so that each has some runs when the budget is used up and drift of the machine hits all.
async function measure(scenarios, options, progress) {
  const end = Date.now() + options.budget * 60000;
  const runs = new Map(scenarios.map((scenario) => [scenario, []]));
  const took = new Map(scenarios.map((s) => [s, s.parts.reduce((sum, part) => sum + expectedSeconds(part), OVERHEAD_S)]));
  for (let pass = 1; pass <= options.runs; pass++) {
    for (const scenario of scenarios) {
      if (pass > scenario.mostRuns) continue;
      if (Date.now() + took.get(scenario) * 1000 > end) {
        progress.line(`${scenario.name}: run ${pass} is left out, it would end after the budget of ${options.budget} minutes`);
        continue;
      }
      const start = Date.now();
      progress.begin(scenario, pass, Math.min(options.runs, scenario.mostRuns), took.get(scenario));
      const list = await runOnce(scenario, progress, options.out);
      took.set(scenario, (Date.now() - start) / 1000);
      progress.end(list, took.get(scenario));
      runs.get(scenario).push(list);
    }
  }
  return scenarios.map((scenario) => collect(scenario, runs.get(scenario), options));
}

function writeResults(results, out) {
  writeFileSync(path.join(out, 'results.json'), JSON.stringify(results));
  writeFileSync(path.join(out, 'report.html'), reportHtml(results));
}

// Without series and samples: what a script wants.
function brief(results) {
  const scenarios = results.scenarios.map(({ parts, ...s }) => ({ ...s, parts: parts.map(({ name, figures }) => ({ name, figures })) }));
  return { ...results, scenarios };
}

async function main(argv) {
  const options = readOptions(argv);
  if (options.help) return process.stdout.write(usage), 0;
  if (options.render) {
    const results = JSON.parse(readFileSync(path.join(options.render, 'results.json'), 'utf8'));
    writeResults(results, options.render);
    return 0;
  }
  const names = options.all || options.list ? scenarioNames() : [...new Set(options.names)];
  const scenarios = names.map((name) => loadScenario(name, options));
  if (options.list) {
    for (const s of scenarios) process.stdout.write(`${s.name.padEnd(14)} ${s.description}\n`);
    return 0;
  }
  requirePrograms();
  requireDescriptors(scenarios);
  mkdirSync(options.out, { recursive: true });
  const results = { machine: describeMachine(), command: ['node load/run.mjs', ...argv].join(' '), scale: options.scale,
    scenarios: await measure(scenarios, options, new Progress()) };
  writeResults(results, options.out);
  process.stdout.write(options.json ? `${JSON.stringify(brief(results))}\n` : tableText(results));
  process.stderr.write(`${failureText(results)}report: ${path.join(options.out, 'report.html')}\n`);
  if (options.record) process.stderr.write(`recorded in ${record(results)}\n`);
  return results.scenarios.some((s) => s.failures.length > 0) ? 1 : 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Advice ? error.message : error.stack}\n`);
  process.exitCode = 2;
}
