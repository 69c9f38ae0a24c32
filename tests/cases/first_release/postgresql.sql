CREATE TABLE public.agent_score (
    agent_id character varying(128) NOT NULL,
    task_type character varying(64) NOT NULL,
    about character varying(128) NOT NULL,
    score double precision NOT NULL,
    recorded_at timestamp with time zone NOT NULL
);
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.content (
    workspace_id character varying(128) NOT NULL,
    content_id character varying(128) NOT NULL,
    content_type character varying(64) NOT NULL,
    channel character varying(64) NOT NULL,
    published_at timestamp with time zone NOT NULL,
    title text,
    body text,
    media_type character varying(64),
    impressions bigint,
    engagements bigint,
    clicks bigint,
    conversions bigint,
    audience_size bigint,
    tone character varying(64),
    sentiment character varying(64),
    topic character varying(64),
    measured_at timestamp with time zone,
    attributes json,
    run_id character varying(128) NOT NULL,
    title_words bigint,
    body_words bigint,
    word_count bigint,
    character_count bigint,
    emoji_count bigint,
    hashtag_count bigint,
    mention_count bigint,
    link_count bigint,
    exclamation_count bigint,
    question_count bigint,
    number_count bigint,
    capitals_share double precision,
    has_cta boolean,
    readability double precision,
    sentiment_score double precision,
    local_hour bigint NOT NULL,
    local_weekday bigint NOT NULL,
    is_weekend boolean NOT NULL
);
CREATE TABLE public.debate (
    debate_id character varying(128) NOT NULL,
    workspace_id character varying(128),
    fingerprint character varying(64) NOT NULL,
    engine character varying(64) NOT NULL,
    status character varying(64) NOT NULL,
    option character varying(64),
    confidence double precision,
    agreement double precision,
    brief json NOT NULL,
    decision json,
    outcome_option character varying(64),
    outcome_source text,
    created_at timestamp with time zone NOT NULL,
    concluded_at timestamp with time zone,
    graded_at timestamp with time zone,
    run_id character varying(128)
);
CREATE TABLE public.debate_exchange (
    debate_id character varying(128) NOT NULL,
    turn_key character varying(128) NOT NULL,
    attempt bigint NOT NULL,
    exchange json NOT NULL,
    recorded_at timestamp with time zone NOT NULL
);
CREATE TABLE public.debate_turn (
    debate_id character varying(128) NOT NULL,
    turn_key character varying(128) NOT NULL,
    status character varying(64) NOT NULL,
    turn json NOT NULL,
    recorded_at timestamp with time zone NOT NULL
);
CREATE TABLE public.drift_check (
    workspace_id character varying(128) NOT NULL,
    model_type character varying(64) NOT NULL,
    version_name character varying(64) NOT NULL,
    data_sha256 character varying(64) NOT NULL,
    drift_status character varying(64) NOT NULL,
    drift_score double precision NOT NULL,
    p_value double precision NOT NULL,
    recommendation character varying(64) NOT NULL,
    reasons json NOT NULL,
    samples bigint NOT NULL,
    performance json NOT NULL,
    columns json NOT NULL,
    checked_at timestamp with time zone NOT NULL,
    run_id character varying(128) NOT NULL
);
CREATE TABLE public.experiment (
    experiment_id character varying(128) NOT NULL,
    workspace_id character varying(128) NOT NULL,
    name character varying(128) NOT NULL,
    hypothesis text,
    experiment_type character varying(64) NOT NULL,
    allocation_strategy character varying(64) NOT NULL,
    metric_name character varying(64) NOT NULL,
    design json NOT NULL,
    salt character varying(64) NOT NULL,
    planned_units_per_arm bigint,
    status character varying(64) NOT NULL,
    conclusion character varying(64),
    winner character varying(128),
    created_at timestamp with time zone NOT NULL,
    started_at timestamp with time zone,
    completed_at timestamp with time zone
);
CREATE TABLE public.experiment_amendment (
    experiment_id character varying(128) NOT NULL,
    metric_name character varying(64) NOT NULL,
    unit_id character varying(256) NOT NULL,
    key character varying(128) NOT NULL,
    revision bigint NOT NULL,
    value double precision NOT NULL,
    denominator double precision NOT NULL,
    replaced_at timestamp with time zone NOT NULL
);
CREATE TABLE public.experiment_arm (
    workspace_id character varying(128) NOT NULL,
    experiment_name character varying(128) NOT NULL,
    variant_name character varying(128) NOT NULL,
    metric_name character varying(64) NOT NULL,
    metric_kind character varying(64) NOT NULL,
    n bigint NOT NULL,
    sum double precision NOT NULL,
    sum_of_squares double precision,
    is_control boolean NOT NULL,
    started_at timestamp with time zone,
    run_id character varying(128) NOT NULL
);
CREATE TABLE public.experiment_arrival (
    experiment_id character varying(128) NOT NULL,
    variant_id character varying(128) NOT NULL,
    epoch bigint NOT NULL,
    n bigint NOT NULL
);
CREATE TABLE public.experiment_assignment (
    experiment_id character varying(128) NOT NULL,
    unit_id character varying(256) NOT NULL,
    variant_id character varying(128) NOT NULL,
    epoch bigint NOT NULL,
    propensity double precision NOT NULL,
    segment character varying(128) NOT NULL,
    covariate double precision,
    assigned_at timestamp with time zone NOT NULL
);
CREATE TABLE public.experiment_decision (
    experiment_id character varying(128) NOT NULL,
    sequence bigint NOT NULL,
    action character varying(64) NOT NULL,
    actor character varying(128) NOT NULL,
    evidence json NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    sha256 character varying(64) NOT NULL
);
CREATE TABLE public.experiment_epoch (
    experiment_id character varying(128) NOT NULL,
    epoch bigint NOT NULL,
    weights json NOT NULL,
    reason text NOT NULL,
    outcomes_before bigint NOT NULL,
    started_at timestamp with time zone NOT NULL
);
CREATE TABLE public.experiment_look (
    experiment_id character varying(128) NOT NULL,
    statistics_sha256 character varying(64) NOT NULL,
    look bigint NOT NULL,
    looked_at timestamp with time zone NOT NULL,
    n bigint NOT NULL,
    result json NOT NULL
);
CREATE TABLE public.experiment_metric (
    experiment_id character varying(128) NOT NULL,
    metric_name character varying(64) NOT NULL,
    role character varying(64) NOT NULL,
    kind character varying(64),
    is_kind_fixed boolean NOT NULL,
    direction character varying(64) NOT NULL,
    lower double precision,
    upper double precision,
    margin double precision NOT NULL,
    origin double precision
);
CREATE TABLE public.experiment_outcome (
    experiment_id character varying(128) NOT NULL,
    metric_name character varying(64) NOT NULL,
    unit_id character varying(256) NOT NULL,
    key character varying(128) NOT NULL,
    value double precision NOT NULL,
    denominator double precision NOT NULL,
    revision bigint NOT NULL,
    recorded_at timestamp with time zone NOT NULL
);
CREATE TABLE public.experiment_statistic (
    experiment_id character varying(128) NOT NULL,
    metric_name character varying(64) NOT NULL,
    variant_id character varying(128) NOT NULL,
    epoch bigint NOT NULL,
    segment character varying(128) NOT NULL,
    n bigint NOT NULL,
    y double precision NOT NULL,
    yy double precision NOT NULL,
    d double precision NOT NULL,
    dd double precision NOT NULL,
    yd double precision NOT NULL,
    with_covariate bigint NOT NULL,
    x double precision NOT NULL,
    xx double precision NOT NULL,
    xy double precision NOT NULL
);
CREATE TABLE public.experiment_variant (
    experiment_id character varying(128) NOT NULL,
    variant_id character varying(128) NOT NULL,
    "position" bigint NOT NULL,
    description text,
    weight double precision NOT NULL,
    is_control boolean NOT NULL,
    levels json
);
CREATE TABLE public.expert_agent (
    agent_id character varying(128) NOT NULL,
    role character varying(64) NOT NULL,
    name character varying(128) NOT NULL,
    description text NOT NULL,
    skills json NOT NULL,
    system_prompt text NOT NULL,
    temperature double precision NOT NULL,
    model character varying(128),
    is_default boolean NOT NULL,
    registered_at timestamp with time zone NOT NULL
);
CREATE TABLE public.ingestion_run (
    run_id character varying(128) NOT NULL,
    kind character varying(64) NOT NULL,
    source_sha256 character varying(64) NOT NULL,
    source text NOT NULL,
    status character varying(64) NOT NULL,
    read bigint NOT NULL,
    written bigint NOT NULL,
    unchanged bigint NOT NULL,
    rejected bigint NOT NULL,
    rejects_path text,
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone
);
CREATE TABLE public.model_deployment (
    workspace_id character varying(128) NOT NULL,
    model_type character varying(64) NOT NULL,
    generation bigint NOT NULL,
    phase character varying(64) NOT NULL,
    kind character varying(64) NOT NULL,
    outcome character varying(64) NOT NULL,
    version_name character varying(64) NOT NULL,
    from_version character varying(64),
    reason text NOT NULL,
    actor character varying(128) NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    run_id character varying(128) NOT NULL
);
CREATE TABLE public.model_prediction (
    workspace_id character varying(128) NOT NULL,
    model_type character varying(64) NOT NULL,
    version_name character varying(64) NOT NULL,
    row_id character varying(128) NOT NULL,
    inputs_sha256 character varying(64) NOT NULL,
    output json NOT NULL,
    predicted_at timestamp with time zone NOT NULL,
    run_id character varying(128) NOT NULL
);
CREATE TABLE public.model_schedule (
    model_type character varying(64) NOT NULL,
    frequency_days bigint NOT NULL,
    min_new_samples bigint NOT NULL,
    drift_threshold double precision NOT NULL,
    anchor timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone NOT NULL
);
CREATE TABLE public.model_version (
    workspace_id character varying(128) NOT NULL,
    model_type character varying(64) NOT NULL,
    data_sha256 character varying(64) NOT NULL,
    spec_sha256 character varying(64) NOT NULL,
    version_name character varying(64) NOT NULL,
    status character varying(64) NOT NULL,
    decision character varying(64) NOT NULL,
    registry_version bigint,
    artifact_sha256 character varying(64),
    golden json NOT NULL,
    evaluation json NOT NULL,
    gate json,
    n_rows bigint NOT NULL,
    train_from timestamp with time zone NOT NULL,
    train_to timestamp with time zone NOT NULL,
    snapshot_sha256 character varying(64),
    git_commit character varying(64),
    pinned boolean NOT NULL,
    trained_at timestamp with time zone NOT NULL,
    run_id character varying(128) NOT NULL
);
CREATE TABLE public.pattern_analysis (
    analysis_id character varying(128) NOT NULL,
    series character varying(128) NOT NULL,
    workspace_id character varying(128) NOT NULL,
    content_type character varying(64) NOT NULL,
    as_of timestamp with time zone NOT NULL,
    lookback_days bigint NOT NULL,
    status character varying(64) NOT NULL,
    reason text NOT NULL,
    statistics json NOT NULL,
    insights json NOT NULL,
    run_id character varying(128) NOT NULL
);
CREATE TABLE public.pattern_finding (
    analysis_id character varying(128) NOT NULL,
    pattern_key character varying(128) NOT NULL,
    workspace_id character varying(128) NOT NULL,
    content_type character varying(64) NOT NULL,
    pattern_id character varying(64) NOT NULL,
    pattern_type character varying(64) NOT NULL,
    description text NOT NULL,
    confidence double precision NOT NULL,
    effect_size double precision NOT NULL,
    lift_pct double precision NOT NULL,
    lift_low_pct double precision NOT NULL,
    lift_high_pct double precision NOT NULL,
    q_value double precision NOT NULL,
    sample_size bigint NOT NULL,
    trend character varying(64) NOT NULL,
    first_seen timestamp with time zone NOT NULL,
    last_seen timestamp with time zone NOT NULL,
    details json NOT NULL,
    run_id character varying(128) NOT NULL
);
CREATE TABLE public.step_outcome (
    run_id character varying(128) NOT NULL,
    step character varying(64) NOT NULL,
    workspace_id character varying(128) NOT NULL,
    status character varying(64) NOT NULL,
    reason text,
    recorded_at timestamp with time zone NOT NULL
);
CREATE TABLE public.touch (
    workspace_id character varying(128) NOT NULL,
    touch_id character varying(128) NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    channel character varying(64) NOT NULL,
    content_id character varying(128),
    converted boolean NOT NULL,
    attributes json,
    run_id character varying(128) NOT NULL
);
CREATE TABLE public.transfer_charge (
    unit_id character varying(128) NOT NULL,
    period character varying(64) NOT NULL,
    rho double precision NOT NULL,
    charged_at timestamp with time zone NOT NULL,
    run_id character varying(128) NOT NULL
);
CREATE TABLE public.transfer_estimate (
    workspace_id character varying(128) NOT NULL,
    pattern_key character varying(128) NOT NULL,
    log_lift double precision NOT NULL,
    standard_error double precision NOT NULL,
    log_lift_a double precision,
    log_lift_b double precision,
    matching bigint NOT NULL,
    posts bigint NOT NULL,
    as_of timestamp with time zone NOT NULL,
    run_id character varying(128) NOT NULL
);
CREATE TABLE public.transfer_release (
    period character varying(64) NOT NULL,
    status character varying(64) NOT NULL,
    catalogue_version bigint NOT NULL,
    epsilon double precision NOT NULL,
    delta double precision NOT NULL,
    rho double precision NOT NULL,
    noise_scale double precision NOT NULL,
    as_of timestamp with time zone NOT NULL,
    run_id character varying(128) NOT NULL
);
CREATE TABLE public.transfer_sum (
    period character varying(64) NOT NULL,
    segment character varying(128) NOT NULL,
    sums json NOT NULL
);
CREATE TABLE public.workspace (
    workspace_id character varying(128) NOT NULL,
    name character varying(256) NOT NULL,
    industry character varying(64) NOT NULL,
    size character varying(64) NOT NULL,
    timezone character varying(64) NOT NULL,
    organisation_id character varying(128),
    shares_insights boolean NOT NULL,
    run_id character varying(128) NOT NULL
);
INSERT INTO public.alembic_version VALUES ('0001');
INSERT INTO public.content VALUES ('acme', 'c0', 'social', 'facebook', '2026-01-05 09:00:00+00', NULL, 'Post 0: what''s new?', 'photo', 1000, 20, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 9, 0, false);
INSERT INTO public.content VALUES ('acme', 'c31', 'social', 'facebook', '2026-01-06 16:00:00+00', NULL, 'Post 1: what''s new?', 'photo', 1000, 23, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 16, 1, false);
INSERT INTO public.content VALUES ('acme', 'c62', 'social', 'facebook', '2026-01-07 23:00:00+00', NULL, 'Post 2: what''s new?', 'photo', 1000, 26, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 23, 2, false);
INSERT INTO public.content VALUES ('acme', 'c93', 'social', 'facebook', '2026-01-09 06:00:00+00', NULL, 'Post 3: what''s new?', 'photo', 1000, 22, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 6, 4, false);
INSERT INTO public.content VALUES ('acme', 'c124', 'social', 'facebook', '2026-01-10 13:00:00+00', NULL, 'Post 4: what''s new?', 'photo', 1000, 25, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 13, 5, true);
INSERT INTO public.content VALUES ('acme', 'c155', 'social', 'facebook', '2026-01-11 20:00:00+00', NULL, 'Post 5: what''s new?', 'photo', 1000, 21, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 20, 6, true);
INSERT INTO public.content VALUES ('acme', 'c186', 'social', 'facebook', '2026-01-13 03:00:00+00', NULL, 'Post 6: what''s new?', 'photo', 1000, 24, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 3, 1, false);
INSERT INTO public.content VALUES ('acme', 'c217', 'social', 'facebook', '2026-01-14 10:00:00+00', NULL, 'Post 7: what''s new?', 'photo', 1000, 20, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 10, 2, false);
INSERT INTO public.content VALUES ('acme', 'c248', 'social', 'facebook', '2026-01-15 17:00:00+00', NULL, 'Post 8: what''s new?', 'photo', 1000, 23, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 17, 3, false);
INSERT INTO public.content VALUES ('acme', 'c279', 'social', 'facebook', '2026-01-17 00:00:00+00', NULL, 'Post 9: what''s new?', 'photo', 1000, 26, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 0, 5, true);
INSERT INTO public.content VALUES ('acme', 'c310', 'social', 'facebook', '2026-01-18 07:00:00+00', NULL, 'Post 10: what''s new?', 'photo', 1000, 22, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 7, 6, true);
INSERT INTO public.content VALUES ('acme', 'c341', 'social', 'facebook', '2026-01-19 14:00:00+00', NULL, 'Post 11: what''s new?', 'photo', 1000, 25, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 14, 0, false);
INSERT INTO public.content VALUES ('acme', 'c372', 'social', 'facebook', '2026-01-20 21:00:00+00', NULL, 'Post 12: what''s new?', 'photo', 1000, 21, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 21, 1, false);
INSERT INTO public.content VALUES ('acme', 'c403', 'social', 'facebook', '2026-01-22 04:00:00+00', NULL, 'Post 13: what''s new?', 'photo', 1000, 24, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 4, 3, false);
INSERT INTO public.content VALUES ('acme', 'c434', 'social', 'facebook', '2026-01-23 11:00:00+00', NULL, 'Post 14: what''s new?', 'photo', 1000, 20, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 11, 4, false);
INSERT INTO public.content VALUES ('acme', 'c465', 'social', 'facebook', '2026-01-24 18:00:00+00', NULL, 'Post 15: what''s new?', 'photo', 1000, 23, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 18, 5, true);
INSERT INTO public.content VALUES ('acme', 'c496', 'social', 'facebook', '2026-01-26 01:00:00+00', NULL, 'Post 16: what''s new?', 'photo', 1000, 26, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 1, 0, false);
INSERT INTO public.content VALUES ('acme', 'c527', 'social', 'facebook', '2026-01-27 08:00:00+00', NULL, 'Post 17: what''s new?', 'photo', 1000, 22, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 8, 1, false);
INSERT INTO public.content VALUES ('acme', 'c558', 'social', 'facebook', '2026-01-28 15:00:00+00', NULL, 'Post 18: what''s new?', 'photo', 1000, 25, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 15, 2, false);
INSERT INTO public.content VALUES ('acme', 'c589', 'social', 'facebook', '2026-01-29 22:00:00+00', NULL, 'Post 19: what''s new?', 'photo', 1000, 21, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 22, 3, false);
INSERT INTO public.content VALUES ('acme', 'c620', 'social', 'facebook', '2026-01-31 05:00:00+00', NULL, 'Post 20: what''s new?', 'photo', 1000, 24, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 5, 5, true);
INSERT INTO public.content VALUES ('acme', 'c651', 'social', 'facebook', '2026-02-01 12:00:00+00', NULL, 'Post 21: what''s new?', 'photo', 1000, 20, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 12, 6, true);
INSERT INTO public.content VALUES ('acme', 'c682', 'social', 'facebook', '2026-02-02 19:00:00+00', NULL, 'Post 22: what''s new?', 'photo', 1000, 23, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 19, 0, false);
INSERT INTO public.content VALUES ('acme', 'c713', 'social', 'facebook', '2026-02-04 02:00:00+00', NULL, 'Post 23: what''s new?', 'photo', 1000, 26, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 2, 2, false);
INSERT INTO public.content VALUES ('acme', 'c744', 'social', 'facebook', '2026-02-05 09:00:00+00', NULL, 'Post 24: what''s new?', 'photo', 1000, 22, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 9, 3, false);
INSERT INTO public.content VALUES ('acme', 'c775', 'social', 'facebook', '2026-02-06 16:00:00+00', NULL, 'Post 25: what''s new?', 'photo', 1000, 25, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 16, 4, false);
INSERT INTO public.content VALUES ('acme', 'c806', 'social', 'facebook', '2026-02-07 23:00:00+00', NULL, 'Post 26: what''s new?', 'photo', 1000, 21, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 23, 5, true);
INSERT INTO public.content VALUES ('acme', 'c837', 'social', 'facebook', '2026-02-09 06:00:00+00', NULL, 'Post 27: what''s new?', 'photo', 1000, 24, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 6, 0, false);
INSERT INTO public.content VALUES ('acme', 'c868', 'social', 'facebook', '2026-02-10 13:00:00+00', NULL, 'Post 28: what''s new?', 'photo', 1000, 20, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 13, 1, false);
INSERT INTO public.content VALUES ('acme', 'c899', 'social', 'facebook', '2026-02-11 20:00:00+00', NULL, 'Post 29: what''s new?', 'photo', 1000, 23, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 20, 2, false);
INSERT INTO public.content VALUES ('acme', 'c930', 'social', 'facebook', '2026-02-13 03:00:00+00', NULL, 'Post 30: what''s new?', 'photo', 1000, 26, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 3, 4, false);
INSERT INTO public.content VALUES ('acme', 'c961', 'social', 'facebook', '2026-02-14 10:00:00+00', NULL, 'Post 31: what''s new?', 'photo', 1000, 22, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 10, 5, true);
INSERT INTO public.content VALUES ('acme', 'c992', 'social', 'facebook', '2026-02-15 17:00:00+00', NULL, 'Post 32: what''s new?', 'photo', 1000, 25, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 17, 6, true);
INSERT INTO public.content VALUES ('acme', 'c1023', 'social', 'facebook', '2026-02-17 00:00:00+00', NULL, 'Post 33: what''s new?', 'photo', 1000, 21, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 0, 1, false);
INSERT INTO public.content VALUES ('acme', 'c1054', 'social', 'facebook', '2026-02-18 07:00:00+00', NULL, 'Post 34: what''s new?', 'photo', 1000, 24, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 7, 2, false);
INSERT INTO public.content VALUES ('acme', 'c1085', 'social', 'facebook', '2026-02-19 14:00:00+00', NULL, 'Post 35: what''s new?', 'photo', 1000, 20, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 14, 3, false);
INSERT INTO public.content VALUES ('acme', 'c1116', 'social', 'facebook', '2026-02-20 21:00:00+00', NULL, 'Post 36: what''s new?', 'photo', 1000, 23, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 21, 4, false);
INSERT INTO public.content VALUES ('acme', 'c1147', 'social', 'facebook', '2026-02-22 04:00:00+00', NULL, 'Post 37: what''s new?', 'photo', 1000, 26, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 4, 6, true);
INSERT INTO public.content VALUES ('acme', 'c1178', 'social', 'facebook', '2026-02-23 11:00:00+00', NULL, 'Post 38: what''s new?', 'photo', 1000, 22, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 11, 0, false);
INSERT INTO public.content VALUES ('acme', 'c1209', 'social', 'facebook', '2026-02-24 18:00:00+00', NULL, 'Post 39: what''s new?', 'photo', 1000, 25, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', 'test', NULL, 2, 2, 6, 0, 0, 0, 0, 0, 0, 1, 0, false, 100, 0, 18, 1, false);
INSERT INTO public.experiment_arm VALUES ('acme', 'subject', 'A', 'opened', 'binary', 1000, 200, NULL, true, '2026-01-05 09:00:00+00', 'first');
INSERT INTO public.experiment_arm VALUES ('acme', 'subject', 'B', 'opened', 'binary', 1000, 260, NULL, false, '2026-01-05 09:00:00+00', 'first');
INSERT INTO public.transfer_charge VALUES ('acme', '2026-01-05', 0.25, '2026-01-05 09:00:00+00', 'first');
INSERT INTO public.workspace VALUES ('acme', 'Acme', 'saas', 'smb', 'UTC', NULL, true, 'test');
ALTER TABLE ONLY public.agent_score
    ADD CONSTRAINT agent_score_pkey PRIMARY KEY (agent_id, task_type, about);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.content
    ADD CONSTRAINT content_pkey PRIMARY KEY (workspace_id, content_id);
ALTER TABLE ONLY public.debate_exchange
    ADD CONSTRAINT debate_exchange_pkey PRIMARY KEY (debate_id, turn_key, attempt);
ALTER TABLE ONLY public.debate
    ADD CONSTRAINT debate_pkey PRIMARY KEY (debate_id);
ALTER TABLE ONLY public.debate_turn
    ADD CONSTRAINT debate_turn_pkey PRIMARY KEY (debate_id, turn_key);
ALTER TABLE ONLY public.drift_check
    ADD CONSTRAINT drift_check_pkey PRIMARY KEY (workspace_id, model_type, version_name, data_sha256);
ALTER TABLE ONLY public.experiment_amendment
    ADD CONSTRAINT experiment_amendment_pkey PRIMARY KEY (experiment_id, metric_name, unit_id, key, revision);
ALTER TABLE ONLY public.experiment_arm
    ADD CONSTRAINT experiment_arm_pkey PRIMARY KEY (workspace_id, experiment_name, variant_name, metric_name);
ALTER TABLE ONLY public.experiment_arrival
    ADD CONSTRAINT experiment_arrival_pkey PRIMARY KEY (experiment_id, variant_id, epoch);
ALTER TABLE ONLY public.experiment_assignment
    ADD CONSTRAINT experiment_assignment_pkey PRIMARY KEY (experiment_id, unit_id);
ALTER TABLE ONLY public.experiment_decision
    ADD CONSTRAINT experiment_decision_pkey PRIMARY KEY (experiment_id, sequence);
ALTER TABLE ONLY public.experiment_epoch
    ADD CONSTRAINT experiment_epoch_pkey PRIMARY KEY (experiment_id, epoch);
ALTER TABLE ONLY public.experiment_look
    ADD CONSTRAINT experiment_look_pkey PRIMARY KEY (experiment_id, statistics_sha256);
ALTER TABLE ONLY public.experiment_metric
    ADD CONSTRAINT experiment_metric_pkey PRIMARY KEY (experiment_id, metric_name);
ALTER TABLE ONLY public.experiment_outcome
    ADD CONSTRAINT experiment_outcome_pkey PRIMARY KEY (experiment_id, metric_name, unit_id, key);
ALTER TABLE ONLY public.experiment
    ADD CONSTRAINT experiment_pkey PRIMARY KEY (experiment_id);
ALTER TABLE ONLY public.experiment_statistic
    ADD CONSTRAINT experiment_statistic_pkey PRIMARY KEY (experiment_id, metric_name, variant_id, epoch, segment);
ALTER TABLE ONLY public.experiment_variant
    ADD CONSTRAINT experiment_variant_pkey PRIMARY KEY (experiment_id, variant_id);
ALTER TABLE ONLY public.expert_agent
    ADD CONSTRAINT expert_agent_pkey PRIMARY KEY (agent_id);
ALTER TABLE ONLY public.ingestion_run
    ADD CONSTRAINT ingestion_run_pkey PRIMARY KEY (run_id, kind, source_sha256);
ALTER TABLE ONLY public.model_deployment
    ADD CONSTRAINT model_deployment_pkey PRIMARY KEY (workspace_id, model_type, generation, phase);
ALTER TABLE ONLY public.model_prediction
    ADD CONSTRAINT model_prediction_pkey PRIMARY KEY (workspace_id, model_type, version_name, row_id, inputs_sha256);
ALTER TABLE ONLY public.model_schedule
    ADD CONSTRAINT model_schedule_pkey PRIMARY KEY (model_type);
ALTER TABLE ONLY public.model_version
    ADD CONSTRAINT model_version_pkey PRIMARY KEY (workspace_id, model_type, data_sha256, spec_sha256);
ALTER TABLE ONLY public.pattern_analysis
    ADD CONSTRAINT pattern_analysis_pkey PRIMARY KEY (analysis_id);
ALTER TABLE ONLY public.pattern_finding
    ADD CONSTRAINT pattern_finding_pkey PRIMARY KEY (analysis_id, pattern_key);
ALTER TABLE ONLY public.step_outcome
    ADD CONSTRAINT step_outcome_pkey PRIMARY KEY (run_id, step, workspace_id);
ALTER TABLE ONLY public.touch
    ADD CONSTRAINT touch_pkey PRIMARY KEY (workspace_id, touch_id);
ALTER TABLE ONLY public.transfer_charge
    ADD CONSTRAINT transfer_charge_pkey PRIMARY KEY (unit_id, period);
ALTER TABLE ONLY public.transfer_estimate
    ADD CONSTRAINT transfer_estimate_pkey PRIMARY KEY (workspace_id, pattern_key);
ALTER TABLE ONLY public.transfer_release
    ADD CONSTRAINT transfer_release_pkey PRIMARY KEY (period);
ALTER TABLE ONLY public.transfer_sum
    ADD CONSTRAINT transfer_sum_pkey PRIMARY KEY (period, segment);
ALTER TABLE ONLY public.workspace
    ADD CONSTRAINT workspace_pkey PRIMARY KEY (workspace_id);
CREATE INDEX content_by_time ON public.content USING btree (workspace_id, published_at);
CREATE INDEX debate_by_time ON public.debate USING btree (workspace_id, created_at);
CREATE INDEX experiment_by_workspace ON public.experiment USING btree (workspace_id, name);
CREATE INDEX pattern_analysis_by_time ON public.pattern_analysis USING btree (workspace_id, content_type, as_of);
CREATE INDEX pattern_finding_by_workspace ON public.pattern_finding USING btree (workspace_id, content_type);
CREATE INDEX touch_by_time ON public.touch USING btree (workspace_id, occurred_at);
