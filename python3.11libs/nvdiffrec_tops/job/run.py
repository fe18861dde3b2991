"""One job from its job file to its result file."""

from __future__ import annotations

import dataclasses
import os
import platform
import shlex
import signal
import sys
import time
from typing import Any

from nvdiffrec_contract import VERSION, layout
from nvdiffrec_contract.failure import EXIT_ENVIRONMENT, Failure
from nvdiffrec_tops.job import collecting, engines, preflight, probe, toolkit, trainer
from nvdiffrec_tops.job.attempts import Attempts
from nvdiffrec_tops.job.collecting import LOG
from nvdiffrec_tops.job.environment import clean_environment
from nvdiffrec_tops.job.failures import JobError
from nvdiffrec_tops.job.holding import holding
from nvdiffrec_tops.job.jobfile import JobFile
from nvdiffrec_tops.job.outputs import placing, result, unfinished
from nvdiffrec_tops.job.process import cards, lock
from nvdiffrec_tops.job.process.child import Stopped
from nvdiffrec_tops.job.process.lock import OutputLock
from nvdiffrec_tops.job.process.signals import StopFlag
from nvdiffrec_tops.job.report import pdgreport
from nvdiffrec_tops.job.report.joblog import (
    Report,
    output_error,
    tell_cook,
    tell_failure,
    tell_warning,
)
from nvdiffrec_tops.job.report.metricstable import MetricsTable
from nvdiffrec_tops.job.report.pdgreport import WorkItem
from nvdiffrec_tops.job.report.progress import Progress
from nvdiffrec_tops.job.report.progresspictures import ProgressPictures

OWN = (lock.NAME, LOG, placing.JOURNAL, result.NAME, layout.LIVE_TABLE)
"""Files that a job keeps in its output folder beside the results."""
FINISHED = (
    "the training is finished and kept: cook again and its results are put in place, without "
    "training"
)


def run(job: JobFile, force: bool = False, report: Report | None = None) -> int:
    """Run ``job``, whose paths are absolute; returns the exit code (see ``failures``)."""
    report = report or Report(sys.stdout, sys.stderr)
    item = WorkItem(report, os.environ)
    try:
        if not os.path.lexists(job.output):
            trainer.prepare(job)  # a job that is refused leaves no folder
        with holding(job.output, OWN, report) as (held, stop):
            said = _Run(job, force, report, item, held, stop).go()
        item.close(pdgreport.FINAL_SECONDS)
        report.say(said)
        return 0
    except JobError as error:
        failure = error.failure
        if job.on_failure == "warn":
            item.warning(f"{failure.cause}. {failure.cure}")
            item.close(pdgreport.FAILED_SECONDS)
            tell_warning(report, failure)
            return 0
        item.close(pdgreport.FAILED_SECONDS)
        tell_failure(report, failure)
        return failure.exit_code
    except Stopped as stopped:
        return 128 + stopped.number
    finally:
        item.abandon()
        report.close()


class _Run:
    """State of one job while it runs, with the lock of its output held."""

    def __init__(
        self,
        job: JobFile,
        force: bool,
        report: Report,
        item: WorkItem,
        held: OutputLock,
        stop: StopFlag,
    ) -> None:
        self.job = job
        self.force = force
        self.report = report
        self.item = item
        self.lock = held
        self.stop = stop
        self.started = time.time()
        self.id = time.strftime("%Y%m%d-%H%M%S", time.gmtime()) + "-" + os.urandom(3).hex()
        self.folder = os.path.join(job.output, placing.RUN_PREFIX + self.id)
        self.notes: list[str] = []
        self.findings: list[dict[str, str]] = []
        self.document: dict[str, Any] = {}
        self.previous: dict[str, Any] | None = None
        self.former: str | None = None  # run folder of the training that this one goes on with
        self.seconds_before = 0.0  # of a training that was finished by an earlier job
        self.odd_line = False
        self.engine = engines.engine(job.engine)
        self.parser = self.engine.progress(job.config if isinstance(job.config, dict) else {})
        made = os.path.join(self.folder, "out", self.id)
        self.table = MetricsTable(made, job.output, own=self.engine.writes_table)
        self.pictures = ProgressPictures(made, job.output)

    def go(self) -> str:
        """Do what there is to do; the last sentence to say."""
        recovered = placing.recover(self.job.output)
        placing.remove_parts(self.job.output)
        ended = placing.abandoned(self.job.output)
        for folder in [one for one in ended if not unfinished.is_kept(one)]:
            placing.remove_run_folder(folder)
            ended.remove(folder)
        self.previous = result.read(self.job.output)
        self.document = self._new_document()
        try:
            training = trainer.prepare(self.job)
            self._digest(training)
            self.former = unfinished.matching(ended, self.document["digest"])
            for folder in ended:
                if folder != self.former:
                    placing.remove_run_folder(folder)
            finished = unfinished.finished(self.former) if self.former else None
            if (
                finished is None
                and not self.force
                and result.up_to_date(self.job.output, self.previous, self.document["digest"])
            ):
                return self._skip()
            # The log of a training that is only collected now is that training's own.
            log = os.path.join(self.job.output, LOG)
            self.report.open_log(log, anew=finished is None)
            if recovered:
                self._note(
                    "an earlier job was ended while it put its results in place; "
                    "the results before it are restored"
                )
            if self.lock.taken_over:
                self._note(f"took over a stale lock of {self.lock.taken_over}")
            for text in training.notes:
                self._note(text)
            said = self._train(training) if finished is None else self._take_up(finished)
            placing.remove_run_folder(self.folder)
            return said
        except JobError as error:
            self.report.open_log(os.path.join(self.job.output, LOG))
            failure = error.failure
            if unfinished.is_finished(self.folder):
                failure = dataclasses.replace(failure, cure=f"{failure.cure}; {FINISHED}")
            self._failed(failure)
            raise JobError.of(failure) from error
        except Stopped as stopped:
            name = _ended_by(stopped.number)
            cure = "cook again"
            if unfinished.is_finished(self.folder):
                cure = FINISHED
            elif unfinished.is_resumable(self.folder):
                cure += " and the training goes on"
            cure += "; the results of the last finished run are still in place"
            cause = f"the job was ended by {name}"
            failure = Failure("stopped", cause, cure, 128 + stopped.number)
            self._failed(failure)
            tell_cook(self.report, failure)
            self.report.complain(f"Job: failed: ended by {name}")
            self.report.complain(f"Cure: {cure}")
            raise
        finally:
            if not unfinished.is_kept(self.folder):
                placing.remove_run_folder(self.folder)

    def _new_document(self) -> dict[str, Any]:
        return {
            "format": result.FORMAT,
            "version": result.VERSION,
            "status": "failed",
            "engine": self.job.engine,
            "job": self.job.document(),
            "digest": None,
            "settings": None,
            "config_sha256": None,
            "inputs": [],
            "started": _utc(self.started),
            "ended": None,
            "seconds": None,
            "metrics": {},
            "versions": {"toolkit": VERSION, "job_python": platform.python_version()},
            "host": platform.node(),
            "environment": {},
            "notes": self.notes,
            "log": LOG,
            "outputs": [],
            "failure": None,
            "previous": None,
        }

    def _digest(self, training: trainer.Training) -> None:
        digests = {}
        for name, path in training.inputs.items():
            self.stop.check()
            try:
                digests[name] = result.input_digest(path, self.stop.check)
            except OSError as error:
                raise JobError(
                    "input-unreadable",
                    f"{name}: {error.filename or path} cannot be read: {error.strerror or error}",
                    "check the path and its permissions",
                    EXIT_ENVIRONMENT,
                ) from None
        script = result.sha256(training.script) if training.script else None
        self.document["settings"] = result.settings_of(self.job, training.asked)
        self.document["config_sha256"] = result.digest_of(training.asked)
        self.document["inputs"] = [
            {"field": name, "path": path, "sha256": digests[name]}
            for name, path in training.inputs.items()
        ]
        seed = trainer.seed(self.job)
        self.document["digest"] = result.job_digest(
            self.job.engine, script, self.job.device, seed, training.asked, digests
        )

    def _skip(self) -> str:
        assert self.previous is not None
        if self.former is not None:  # of a Train Again that was ended: what it was to make is there
            placing.remove_run_folder(self.former)
        done = result.last_done(self.previous)
        assert done is not None
        upgraded = {**done, "settings": self.document["settings"]}
        if self.previous != upgraded:  # after a failure, or written by an older version
            self._write_result(upgraded)
        self.item.results(self.job.output, done)
        self.item.percent(100)
        return f"Job: up to date, outputs in {self.job.output}"

    def _train(self, training: trainer.Training) -> str:
        python = probe.interpreter(self.job.python)
        try:
            os.mkdir(self.folder)
            unfinished.stamp(self.folder, self.document["digest"], self.engine.checkpoint)
            goes_on = self.former is not None and unfinished.adopt(self.former, self.folder)
            if goes_on:
                self._note("goes on with a training that was ended before its end")
            self.pictures.begin(resumed=goes_on)
            result.write_json(os.path.join(self.folder, "job.json"), self.job.document())
            config = trainer.make_run_folder(self.job, training, self.folder, self.id)
        except OSError as error:
            raise output_error(self.job.output, error) from None
        policy, notes = toolkit.settled(os.environ, probe.with_prefix(self.job.environment, python))
        environment, changes = clean_environment(os.environ, policy)
        try:
            answer = probe.ask(python, environment, self.folder)
        except JobError:
            self.stop.check()  # the signal has ended the question as well
            raise
        self.engine.check_environment(python, answer)
        settled = self.engine.policy(policy, answer)
        if settled is not policy:
            environment, changes = clean_environment(os.environ, settled)
        self.document["environment"] = {"python": python, **changes.document()}
        self.document["versions"].update(answer["versions"])
        command = self.engine.command(self.job, training, python, config)
        self.report.log(f"Job: {self.job.engine} in {self.folder}")
        self.report.log("Job: command: " + shlex.join(command))
        self.report.log(
            "Job: versions: "
            + ", ".join(f"{name} {text}" for name, text in self.document["versions"].items())
        )
        for line in changes.lines():
            self.report.log("Job: " + line)
        for text in (*notes, *changes.warnings):
            self._note(text)
        self._preflight(training, python, config, environment, answer)
        claims = self.job.claim_card or os.environ.get(cards.CLAIM) == "1"
        wanted = claims and self.job.device != "cpu"
        with cards.claimed(wanted, environment, self._alive, self._waiting) as note:
            if note:
                self._note(note)
            attempts = Attempts(
                self.job,
                self.folder,
                self.id,
                os.path.join(self.job.output, LOG),
                stop=self.stop,
                alive=self.lock.touch,
                line=self._line,
                note=self._note,
                progress=lambda: self.parser.progress,
            )
            attempts.run(training, command, environment, self.findings)
        said = self.engine.finish(collecting.made_in(self.folder)[0], python, environment)
        if said:
            self.report.log(f"Job: {said}")
        self._finish()
        return self._collect()

    def _take_up(self, finished: dict[str, Any]) -> str:
        """Put the results of an earlier job's training in place."""
        assert self.former is not None
        self.folder = self.former
        self.id = os.path.basename(self.folder)[len(placing.RUN_PREFIX) :]
        text = (
            "the training was finished by an earlier job that could not put its results in place; "
            "they are put in place now, without training"
        )
        self._note(text)
        self.item.warning(text)
        notes = [text for text in finished.get("notes", []) if text not in self.notes]
        self.notes[:0] = notes
        self.seconds_before = float(finished.get("seconds", 0.0))
        for name in ("metrics", "versions", "environment"):
            self.document[name] = finished.get(name, {})
        return self._collect()

    def _preflight(
        self,
        training: trainer.Training,
        python: str,
        config: str,
        environment: dict[str, str],
        answer: dict[str, Any],
    ) -> None:
        """Note what the doctor finds wrong before the training."""
        lacks = self.engine.lacks(python, answer)
        if lacks is not None:
            self.findings.append(preflight.lacking(*lacks))
        self.findings += preflight.findings(
            {
                "environment": python,
                "working_dir": training.working_dir,
                "config": os.path.join(self.folder, config),
                "engine": self.job.engine,
                "output": self.job.output,
            },
            environment,
        )
        for one in self.findings:
            self._note(preflight.sentence(one))

    def _waiting(self, text: str) -> None:
        self.report.say(f"Job: {text}")
        self.item.state("waiting for a graphics card")

    def _alive(self) -> None:
        self.stop.check()
        self.lock.touch()

    def _line(self, line: str) -> None:
        self.report.write(line)
        try:
            progress = self.parser.feed(line)
        except Exception as error:  # whatever a log says, it does not end the training
            if not self.odd_line:
                self.odd_line = True
                self._note(f"a line of the log could not be read ({type(error).__name__}: {error})")
            return
        if progress is not None:
            self.table.feed(line, progress)
            self._picture(progress)
            self.item.state(progress.phase)
            self.item.percent(min(int(progress.percent), 99))

    def _picture(self, progress: Progress) -> None:
        """Tell of a progress picture that is new."""
        path = self.pictures.add(progress.picture) if progress.picture else None
        if path is not None:
            self.item.picture(path, progress.picture_psnr)

    def _finish(self) -> None:
        """The training has ended well: see that it is whole, and keep it until it is in place."""
        self.table.finish()
        made, found = collecting.made_in(self.folder)
        collecting.refuse_incomplete(found, os.path.join(self.job.output, LOG))
        self.document["metrics"] = collecting.metrics(self.parser.progress)
        facts = {name: self.document[name] for name in ("metrics", "versions", "environment")}
        facts.update(notes=self.notes, seconds=self._seconds())
        try:
            unfinished.finish(self.folder, made, found, facts)
        except OSError as error:
            self._note(
                f"the finished training is not kept ({error.strerror or error}): if its results "
                "cannot be put in place, it has to be done again"
            )

    def _collect(self) -> str:
        """Put the results of the finished training in place."""
        made, found = collecting.made_in(self.folder)
        self.document["outputs"] = collecting.described(made, found, self.stop.check)
        self._times("done")
        self.stop.check()
        placing.replace_set(
            self.job.output,
            self.folder,
            made,
            found,
            result.manifest(self.previous),
            self.document,
            self._note,
        )
        self.item.results(self.job.output, self.document)
        self.item.percent(100)
        figure = self.document["metrics"].get("psnr")
        psnr = f", PSNR {figure:.1f} dB" if figure is not None else ""
        return f"Job: done in {self.document['seconds']:.0f} s{psnr}, outputs in {self.job.output}"

    def _times(self, status: str) -> None:
        self.document["status"] = status
        self.document["ended"] = _utc(time.time())
        self.document["seconds"] = round(self._seconds(), 3)

    def _seconds(self) -> float:
        """What the training took, with what earlier jobs did of it."""
        before = self.seconds_before or self.parser.progress.earlier_seconds
        return time.time() - self.started + before

    def _failed(self, failure: Failure) -> None:
        if self.job.on_failure == "warn" and failure.id != "stopped":
            return  # what stands in the folder stays the last word on it
        self._times("failed")
        self.document["failure"] = failure.document()
        self.document["outputs"] = []
        self.document["previous"] = result.last_done(self.previous)
        self._write_result(self.document)

    def _write_result(self, document: dict[str, Any]) -> None:
        try:
            result.write_json(os.path.join(self.job.output, result.NAME), document)
        except OSError as error:
            self.report.complain(f"Job: the result file cannot be written: {error}")

    def _note(self, text: str) -> None:
        self.notes.append(text)
        self.report.say(f"Job: note: {text}")


_ENDED_BY = {
    "SIGINT": "Ctrl-C",
    "SIGBREAK": "Ctrl-Break",
    "SIGTERM": "the cook was stopped, or the farm or the system asked for it",
    "SIGHUP": "its terminal was closed",
}


def _ended_by(number: int) -> str:
    """A signal's name, and who sends it."""
    name = signal.Signals(number).name
    return f"{name} ({_ENDED_BY[name]})" if name in _ENDED_BY else name


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
