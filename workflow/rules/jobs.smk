# One rule for the job of every chapter: what it reads and leaves, the chapter's plan says.


for job in JOBS:
    # With the first seed a job may do more than with others, and so comes before them.
    for name, pattern, order in ((job.name, "0", job.first), (f"{job.name}_again", r"[1-9]\d*", job.further)):

        rule:
            name: name
            message: f"{job.about}: {{wildcards.set}}, seed {{wildcards.seed}} ({{wildcards.profile}})"
            input:
                data=f"{SET}/images.npz",
                models=model_files(*job.models),
                code=code(job.module, *job.calls, without=PASSED),
            output:
                [f"{RUN}/{job.path(file)}" for file in job.leaves],
            wildcard_constraints:
                seed=pattern,
            priority: order
            log:
                f"{SET}/logs/{job.name}-seed{{seed}}.log",
            params:
                module=job.module,
                settings=lambda wildcards, job=job: json.dumps(
                    job.settings(settings(wildcards.profile), int(wildcards.seed))
                ),
                out=folder_of,
                models=given,
            threads: threads_of
            resources:
                gpu=on_gpu,
            shell:
                "python -m study job {params.module} {input.data:q} {params.models:q} --threads {threads}"
                " --seed {wildcards.seed} --out {params.out:q} --label {wildcards.set:q}' seed {wildcards.seed}'"
                " --settings {params.settings:q} 2>&1 | tee {log:q}"
