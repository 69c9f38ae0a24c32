BEGIN TRANSACTION;
CREATE TABLE agent_score (
	agent_id VARCHAR(128) NOT NULL, 
	task_type VARCHAR(64) NOT NULL, 
	about VARCHAR(128) NOT NULL, 
	score DOUBLE NOT NULL, 
	recorded_at DATETIME NOT NULL, 
	PRIMARY KEY (agent_id, task_type, about)
);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE content (
	workspace_id VARCHAR(128) NOT NULL, 
	content_id VARCHAR(128) NOT NULL, 
	content_type VARCHAR(64) NOT NULL, 
	channel VARCHAR(64) NOT NULL, 
	published_at DATETIME NOT NULL, 
	title TEXT, 
	body TEXT, 
	media_type VARCHAR(64), 
	impressions BIGINT, 
	engagements BIGINT, 
	clicks BIGINT, 
	conversions BIGINT, 
	audience_size BIGINT, 
	tone VARCHAR(64), 
	sentiment VARCHAR(64), 
	topic VARCHAR(64), 
	measured_at DATETIME, 
	attributes JSON, 
	run_id VARCHAR(128) NOT NULL, 
	title_words BIGINT, 
	body_words BIGINT, 
	word_count BIGINT, 
	character_count BIGINT, 
	emoji_count BIGINT, 
	hashtag_count BIGINT, 
	mention_count BIGINT, 
	link_count BIGINT, 
	exclamation_count BIGINT, 
	question_count BIGINT, 
	number_count BIGINT, 
	capitals_share DOUBLE, 
	has_cta BOOLEAN, 
	readability DOUBLE, 
	sentiment_score DOUBLE, 
	local_hour BIGINT NOT NULL, 
	local_weekday BIGINT NOT NULL, 
	is_weekend BOOLEAN NOT NULL, 
	PRIMARY KEY (workspace_id, content_id)
);
INSERT INTO "content" VALUES('acme','c0','social','facebook','2026-01-05 09:00:00.000000',NULL,'Post 0: what''s new?','photo',1000,20,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,9,0,0);
INSERT INTO "content" VALUES('acme','c31','social','facebook','2026-01-06 16:00:00.000000',NULL,'Post 1: what''s new?','photo',1000,23,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,16,1,0);
INSERT INTO "content" VALUES('acme','c62','social','facebook','2026-01-07 23:00:00.000000',NULL,'Post 2: what''s new?','photo',1000,26,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,23,2,0);
INSERT INTO "content" VALUES('acme','c93','social','facebook','2026-01-09 06:00:00.000000',NULL,'Post 3: what''s new?','photo',1000,22,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,6,4,0);
INSERT INTO "content" VALUES('acme','c124','social','facebook','2026-01-10 13:00:00.000000',NULL,'Post 4: what''s new?','photo',1000,25,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,13,5,1);
INSERT INTO "content" VALUES('acme','c155','social','facebook','2026-01-11 20:00:00.000000',NULL,'Post 5: what''s new?','photo',1000,21,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,20,6,1);
INSERT INTO "content" VALUES('acme','c186','social','facebook','2026-01-13 03:00:00.000000',NULL,'Post 6: what''s new?','photo',1000,24,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,3,1,0);
INSERT INTO "content" VALUES('acme','c217','social','facebook','2026-01-14 10:00:00.000000',NULL,'Post 7: what''s new?','photo',1000,20,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,10,2,0);
INSERT INTO "content" VALUES('acme','c248','social','facebook','2026-01-15 17:00:00.000000',NULL,'Post 8: what''s new?','photo',1000,23,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,17,3,0);
INSERT INTO "content" VALUES('acme','c279','social','facebook','2026-01-17 00:00:00.000000',NULL,'Post 9: what''s new?','photo',1000,26,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,0,5,1);
INSERT INTO "content" VALUES('acme','c310','social','facebook','2026-01-18 07:00:00.000000',NULL,'Post 10: what''s new?','photo',1000,22,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,7,6,1);
INSERT INTO "content" VALUES('acme','c341','social','facebook','2026-01-19 14:00:00.000000',NULL,'Post 11: what''s new?','photo',1000,25,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,14,0,0);
INSERT INTO "content" VALUES('acme','c372','social','facebook','2026-01-20 21:00:00.000000',NULL,'Post 12: what''s new?','photo',1000,21,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,21,1,0);
INSERT INTO "content" VALUES('acme','c403','social','facebook','2026-01-22 04:00:00.000000',NULL,'Post 13: what''s new?','photo',1000,24,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,4,3,0);
INSERT INTO "content" VALUES('acme','c434','social','facebook','2026-01-23 11:00:00.000000',NULL,'Post 14: what''s new?','photo',1000,20,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,11,4,0);
INSERT INTO "content" VALUES('acme','c465','social','facebook','2026-01-24 18:00:00.000000',NULL,'Post 15: what''s new?','photo',1000,23,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,18,5,1);
INSERT INTO "content" VALUES('acme','c496','social','facebook','2026-01-26 01:00:00.000000',NULL,'Post 16: what''s new?','photo',1000,26,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,1,0,0);
INSERT INTO "content" VALUES('acme','c527','social','facebook','2026-01-27 08:00:00.000000',NULL,'Post 17: what''s new?','photo',1000,22,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,8,1,0);
INSERT INTO "content" VALUES('acme','c558','social','facebook','2026-01-28 15:00:00.000000',NULL,'Post 18: what''s new?','photo',1000,25,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,15,2,0);
INSERT INTO "content" VALUES('acme','c589','social','facebook','2026-01-29 22:00:00.000000',NULL,'Post 19: what''s new?','photo',1000,21,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,22,3,0);
INSERT INTO "content" VALUES('acme','c620','social','facebook','2026-01-31 05:00:00.000000',NULL,'Post 20: what''s new?','photo',1000,24,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,5,5,1);
INSERT INTO "content" VALUES('acme','c651','social','facebook','2026-02-01 12:00:00.000000',NULL,'Post 21: what''s new?','photo',1000,20,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,12,6,1);
INSERT INTO "content" VALUES('acme','c682','social','facebook','2026-02-02 19:00:00.000000',NULL,'Post 22: what''s new?','photo',1000,23,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,19,0,0);
INSERT INTO "content" VALUES('acme','c713','social','facebook','2026-02-04 02:00:00.000000',NULL,'Post 23: what''s new?','photo',1000,26,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,2,2,0);
INSERT INTO "content" VALUES('acme','c744','social','facebook','2026-02-05 09:00:00.000000',NULL,'Post 24: what''s new?','photo',1000,22,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,9,3,0);
INSERT INTO "content" VALUES('acme','c775','social','facebook','2026-02-06 16:00:00.000000',NULL,'Post 25: what''s new?','photo',1000,25,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,16,4,0);
INSERT INTO "content" VALUES('acme','c806','social','facebook','2026-02-07 23:00:00.000000',NULL,'Post 26: what''s new?','photo',1000,21,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,23,5,1);
INSERT INTO "content" VALUES('acme','c837','social','facebook','2026-02-09 06:00:00.000000',NULL,'Post 27: what''s new?','photo',1000,24,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,6,0,0);
INSERT INTO "content" VALUES('acme','c868','social','facebook','2026-02-10 13:00:00.000000',NULL,'Post 28: what''s new?','photo',1000,20,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,13,1,0);
INSERT INTO "content" VALUES('acme','c899','social','facebook','2026-02-11 20:00:00.000000',NULL,'Post 29: what''s new?','photo',1000,23,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,20,2,0);
INSERT INTO "content" VALUES('acme','c930','social','facebook','2026-02-13 03:00:00.000000',NULL,'Post 30: what''s new?','photo',1000,26,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,3,4,0);
INSERT INTO "content" VALUES('acme','c961','social','facebook','2026-02-14 10:00:00.000000',NULL,'Post 31: what''s new?','photo',1000,22,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,10,5,1);
INSERT INTO "content" VALUES('acme','c992','social','facebook','2026-02-15 17:00:00.000000',NULL,'Post 32: what''s new?','photo',1000,25,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,17,6,1);
INSERT INTO "content" VALUES('acme','c1023','social','facebook','2026-02-17 00:00:00.000000',NULL,'Post 33: what''s new?','photo',1000,21,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,0,1,0);
INSERT INTO "content" VALUES('acme','c1054','social','facebook','2026-02-18 07:00:00.000000',NULL,'Post 34: what''s new?','photo',1000,24,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,7,2,0);
INSERT INTO "content" VALUES('acme','c1085','social','facebook','2026-02-19 14:00:00.000000',NULL,'Post 35: what''s new?','photo',1000,20,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,14,3,0);
INSERT INTO "content" VALUES('acme','c1116','social','facebook','2026-02-20 21:00:00.000000',NULL,'Post 36: what''s new?','photo',1000,23,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,21,4,0);
INSERT INTO "content" VALUES('acme','c1147','social','facebook','2026-02-22 04:00:00.000000',NULL,'Post 37: what''s new?','photo',1000,26,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,4,6,1);
INSERT INTO "content" VALUES('acme','c1178','social','facebook','2026-02-23 11:00:00.000000',NULL,'Post 38: what''s new?','photo',1000,22,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,11,0,0);
INSERT INTO "content" VALUES('acme','c1209','social','facebook','2026-02-24 18:00:00.000000',NULL,'Post 39: what''s new?','photo',1000,25,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'null','test',NULL,2,2,6,0,0,0,0,0,0,1,0.0,0,100.0,0.0,18,1,0);
CREATE TABLE debate (
	debate_id VARCHAR(128) NOT NULL, 
	workspace_id VARCHAR(128), 
	fingerprint VARCHAR(64) NOT NULL, 
	engine VARCHAR(64) NOT NULL, 
	status VARCHAR(64) NOT NULL, 
	option VARCHAR(64), 
	confidence DOUBLE, 
	agreement DOUBLE, 
	brief JSON NOT NULL, 
	decision JSON, 
	outcome_option VARCHAR(64), 
	outcome_source TEXT, 
	created_at DATETIME NOT NULL, 
	concluded_at DATETIME, 
	graded_at DATETIME, 
	run_id VARCHAR(128), 
	PRIMARY KEY (debate_id)
);
CREATE TABLE debate_exchange (
	debate_id VARCHAR(128) NOT NULL, 
	turn_key VARCHAR(128) NOT NULL, 
	attempt BIGINT NOT NULL, 
	exchange JSON NOT NULL, 
	recorded_at DATETIME NOT NULL, 
	PRIMARY KEY (debate_id, turn_key, attempt)
);
CREATE TABLE debate_turn (
	debate_id VARCHAR(128) NOT NULL, 
	turn_key VARCHAR(128) NOT NULL, 
	status VARCHAR(64) NOT NULL, 
	turn JSON NOT NULL, 
	recorded_at DATETIME NOT NULL, 
	PRIMARY KEY (debate_id, turn_key)
);
CREATE TABLE drift_check (
	workspace_id VARCHAR(128) NOT NULL, 
	model_type VARCHAR(64) NOT NULL, 
	version_name VARCHAR(64) NOT NULL, 
	data_sha256 VARCHAR(64) NOT NULL, 
	drift_status VARCHAR(64) NOT NULL, 
	drift_score DOUBLE NOT NULL, 
	p_value DOUBLE NOT NULL, 
	recommendation VARCHAR(64) NOT NULL, 
	reasons JSON NOT NULL, 
	samples BIGINT NOT NULL, 
	performance JSON NOT NULL, 
	columns JSON NOT NULL, 
	checked_at DATETIME NOT NULL, 
	run_id VARCHAR(128) NOT NULL, 
	PRIMARY KEY (workspace_id, model_type, version_name, data_sha256)
);
CREATE TABLE experiment (
	experiment_id VARCHAR(128) NOT NULL, 
	workspace_id VARCHAR(128) NOT NULL, 
	name VARCHAR(128) NOT NULL, 
	hypothesis TEXT, 
	experiment_type VARCHAR(64) NOT NULL, 
	allocation_strategy VARCHAR(64) NOT NULL, 
	metric_name VARCHAR(64) NOT NULL, 
	design JSON NOT NULL, 
	salt VARCHAR(64) NOT NULL, 
	planned_units_per_arm BIGINT, 
	status VARCHAR(64) NOT NULL, 
	conclusion VARCHAR(64), 
	winner VARCHAR(128), 
	created_at DATETIME NOT NULL, 
	started_at DATETIME, 
	completed_at DATETIME, 
	PRIMARY KEY (experiment_id)
);
CREATE TABLE experiment_amendment (
	experiment_id VARCHAR(128) NOT NULL, 
	metric_name VARCHAR(64) NOT NULL, 
	unit_id VARCHAR(256) NOT NULL, 
	"key" VARCHAR(128) NOT NULL, 
	revision BIGINT NOT NULL, 
	value DOUBLE NOT NULL, 
	denominator DOUBLE NOT NULL, 
	replaced_at DATETIME NOT NULL, 
	PRIMARY KEY (experiment_id, metric_name, unit_id, "key", revision)
);
CREATE TABLE experiment_arm (
	workspace_id VARCHAR(128) NOT NULL, 
	experiment_name VARCHAR(128) NOT NULL, 
	variant_name VARCHAR(128) NOT NULL, 
	metric_name VARCHAR(64) NOT NULL, 
	metric_kind VARCHAR(64) NOT NULL, 
	n BIGINT NOT NULL, 
	sum DOUBLE NOT NULL, 
	sum_of_squares DOUBLE, 
	is_control BOOLEAN NOT NULL, 
	started_at DATETIME, 
	run_id VARCHAR(128) NOT NULL, 
	PRIMARY KEY (workspace_id, experiment_name, variant_name, metric_name)
);
INSERT INTO "experiment_arm" VALUES('acme','subject','A','opened','binary',1000,200.0,NULL,1,'2026-01-05 09:00:00.000000','first');
INSERT INTO "experiment_arm" VALUES('acme','subject','B','opened','binary',1000,260.0,NULL,0,'2026-01-05 09:00:00.000000','first');
CREATE TABLE experiment_arrival (
	experiment_id VARCHAR(128) NOT NULL, 
	variant_id VARCHAR(128) NOT NULL, 
	epoch BIGINT NOT NULL, 
	n BIGINT NOT NULL, 
	PRIMARY KEY (experiment_id, variant_id, epoch)
);
CREATE TABLE experiment_assignment (
	experiment_id VARCHAR(128) NOT NULL, 
	unit_id VARCHAR(256) NOT NULL, 
	variant_id VARCHAR(128) NOT NULL, 
	epoch BIGINT NOT NULL, 
	propensity DOUBLE NOT NULL, 
	segment VARCHAR(128) NOT NULL, 
	covariate DOUBLE, 
	assigned_at DATETIME NOT NULL, 
	PRIMARY KEY (experiment_id, unit_id)
);
CREATE TABLE experiment_decision (
	experiment_id VARCHAR(128) NOT NULL, 
	sequence BIGINT NOT NULL, 
	action VARCHAR(64) NOT NULL, 
	actor VARCHAR(128) NOT NULL, 
	evidence JSON NOT NULL, 
	recorded_at DATETIME NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	PRIMARY KEY (experiment_id, sequence)
);
CREATE TABLE experiment_epoch (
	experiment_id VARCHAR(128) NOT NULL, 
	epoch BIGINT NOT NULL, 
	weights JSON NOT NULL, 
	reason TEXT NOT NULL, 
	outcomes_before BIGINT NOT NULL, 
	started_at DATETIME NOT NULL, 
	PRIMARY KEY (experiment_id, epoch)
);
CREATE TABLE experiment_look (
	experiment_id VARCHAR(128) NOT NULL, 
	statistics_sha256 VARCHAR(64) NOT NULL, 
	look BIGINT NOT NULL, 
	looked_at DATETIME NOT NULL, 
	n BIGINT NOT NULL, 
	result JSON NOT NULL, 
	PRIMARY KEY (experiment_id, statistics_sha256)
);
CREATE TABLE experiment_metric (
	experiment_id VARCHAR(128) NOT NULL, 
	metric_name VARCHAR(64) NOT NULL, 
	role VARCHAR(64) NOT NULL, 
	kind VARCHAR(64), 
	is_kind_fixed BOOLEAN NOT NULL, 
	direction VARCHAR(64) NOT NULL, 
	lower DOUBLE, 
	upper DOUBLE, 
	margin DOUBLE NOT NULL, 
	origin DOUBLE, 
	PRIMARY KEY (experiment_id, metric_name)
);
CREATE TABLE experiment_outcome (
	experiment_id VARCHAR(128) NOT NULL, 
	metric_name VARCHAR(64) NOT NULL, 
	unit_id VARCHAR(256) NOT NULL, 
	"key" VARCHAR(128) NOT NULL, 
	value DOUBLE NOT NULL, 
	denominator DOUBLE NOT NULL, 
	revision BIGINT NOT NULL, 
	recorded_at DATETIME NOT NULL, 
	PRIMARY KEY (experiment_id, metric_name, unit_id, "key")
);
CREATE TABLE experiment_statistic (
	experiment_id VARCHAR(128) NOT NULL, 
	metric_name VARCHAR(64) NOT NULL, 
	variant_id VARCHAR(128) NOT NULL, 
	epoch BIGINT NOT NULL, 
	segment VARCHAR(128) NOT NULL, 
	n BIGINT NOT NULL, 
	y DOUBLE NOT NULL, 
	yy DOUBLE NOT NULL, 
	d DOUBLE NOT NULL, 
	dd DOUBLE NOT NULL, 
	yd DOUBLE NOT NULL, 
	with_covariate BIGINT NOT NULL, 
	x DOUBLE NOT NULL, 
	xx DOUBLE NOT NULL, 
	xy DOUBLE NOT NULL, 
	PRIMARY KEY (experiment_id, metric_name, variant_id, epoch, segment)
);
CREATE TABLE experiment_variant (
	experiment_id VARCHAR(128) NOT NULL, 
	variant_id VARCHAR(128) NOT NULL, 
	position BIGINT NOT NULL, 
	description TEXT, 
	weight DOUBLE NOT NULL, 
	is_control BOOLEAN NOT NULL, 
	levels JSON, 
	PRIMARY KEY (experiment_id, variant_id)
);
CREATE TABLE expert_agent (
	agent_id VARCHAR(128) NOT NULL, 
	role VARCHAR(64) NOT NULL, 
	name VARCHAR(128) NOT NULL, 
	description TEXT NOT NULL, 
	skills JSON NOT NULL, 
	system_prompt TEXT NOT NULL, 
	temperature DOUBLE NOT NULL, 
	model VARCHAR(128), 
	is_default BOOLEAN NOT NULL, 
	registered_at DATETIME NOT NULL, 
	PRIMARY KEY (agent_id)
);
CREATE TABLE ingestion_run (
	run_id VARCHAR(128) NOT NULL, 
	kind VARCHAR(64) NOT NULL, 
	source_sha256 VARCHAR(64) NOT NULL, 
	source TEXT NOT NULL, 
	status VARCHAR(64) NOT NULL, 
	read BIGINT NOT NULL, 
	written BIGINT NOT NULL, 
	unchanged BIGINT NOT NULL, 
	rejected BIGINT NOT NULL, 
	rejects_path TEXT, 
	started_at DATETIME NOT NULL, 
	finished_at DATETIME, 
	PRIMARY KEY (run_id, kind, source_sha256)
);
CREATE TABLE model_deployment (
	workspace_id VARCHAR(128) NOT NULL, 
	model_type VARCHAR(64) NOT NULL, 
	generation BIGINT NOT NULL, 
	phase VARCHAR(64) NOT NULL, 
	kind VARCHAR(64) NOT NULL, 
	outcome VARCHAR(64) NOT NULL, 
	version_name VARCHAR(64) NOT NULL, 
	from_version VARCHAR(64), 
	reason TEXT NOT NULL, 
	actor VARCHAR(128) NOT NULL, 
	recorded_at DATETIME NOT NULL, 
	run_id VARCHAR(128) NOT NULL, 
	PRIMARY KEY (workspace_id, model_type, generation, phase)
);
CREATE TABLE model_prediction (
	workspace_id VARCHAR(128) NOT NULL, 
	model_type VARCHAR(64) NOT NULL, 
	version_name VARCHAR(64) NOT NULL, 
	row_id VARCHAR(128) NOT NULL, 
	inputs_sha256 VARCHAR(64) NOT NULL, 
	output JSON NOT NULL, 
	predicted_at DATETIME NOT NULL, 
	run_id VARCHAR(128) NOT NULL, 
	PRIMARY KEY (workspace_id, model_type, version_name, row_id, inputs_sha256)
);
CREATE TABLE model_schedule (
	model_type VARCHAR(64) NOT NULL, 
	frequency_days BIGINT NOT NULL, 
	min_new_samples BIGINT NOT NULL, 
	drift_threshold DOUBLE NOT NULL, 
	anchor DATETIME NOT NULL, 
	recorded_at DATETIME NOT NULL, 
	PRIMARY KEY (model_type)
);
CREATE TABLE model_version (
	workspace_id VARCHAR(128) NOT NULL, 
	model_type VARCHAR(64) NOT NULL, 
	data_sha256 VARCHAR(64) NOT NULL, 
	spec_sha256 VARCHAR(64) NOT NULL, 
	version_name VARCHAR(64) NOT NULL, 
	status VARCHAR(64) NOT NULL, 
	decision VARCHAR(64) NOT NULL, 
	registry_version BIGINT, 
	artifact_sha256 VARCHAR(64), 
	golden JSON NOT NULL, 
	evaluation JSON NOT NULL, 
	gate JSON, 
	n_rows BIGINT NOT NULL, 
	train_from DATETIME NOT NULL, 
	train_to DATETIME NOT NULL, 
	snapshot_sha256 VARCHAR(64), 
	git_commit VARCHAR(64), 
	pinned BOOLEAN NOT NULL, 
	trained_at DATETIME NOT NULL, 
	run_id VARCHAR(128) NOT NULL, 
	PRIMARY KEY (workspace_id, model_type, data_sha256, spec_sha256)
);
CREATE TABLE pattern_analysis (
	analysis_id VARCHAR(128) NOT NULL, 
	series VARCHAR(128) NOT NULL, 
	workspace_id VARCHAR(128) NOT NULL, 
	content_type VARCHAR(64) NOT NULL, 
	as_of DATETIME NOT NULL, 
	lookback_days BIGINT NOT NULL, 
	status VARCHAR(64) NOT NULL, 
	reason TEXT NOT NULL, 
	statistics JSON NOT NULL, 
	insights JSON NOT NULL, 
	run_id VARCHAR(128) NOT NULL, 
	PRIMARY KEY (analysis_id)
);
CREATE TABLE pattern_finding (
	analysis_id VARCHAR(128) NOT NULL, 
	pattern_key VARCHAR(128) NOT NULL, 
	workspace_id VARCHAR(128) NOT NULL, 
	content_type VARCHAR(64) NOT NULL, 
	pattern_id VARCHAR(64) NOT NULL, 
	pattern_type VARCHAR(64) NOT NULL, 
	description TEXT NOT NULL, 
	confidence DOUBLE NOT NULL, 
	effect_size DOUBLE NOT NULL, 
	lift_pct DOUBLE NOT NULL, 
	lift_low_pct DOUBLE NOT NULL, 
	lift_high_pct DOUBLE NOT NULL, 
	q_value DOUBLE NOT NULL, 
	sample_size BIGINT NOT NULL, 
	trend VARCHAR(64) NOT NULL, 
	first_seen DATETIME NOT NULL, 
	last_seen DATETIME NOT NULL, 
	details JSON NOT NULL, 
	run_id VARCHAR(128) NOT NULL, 
	PRIMARY KEY (analysis_id, pattern_key)
);
CREATE TABLE step_outcome (
	run_id VARCHAR(128) NOT NULL, 
	step VARCHAR(64) NOT NULL, 
	workspace_id VARCHAR(128) NOT NULL, 
	status VARCHAR(64) NOT NULL, 
	reason TEXT, 
	recorded_at DATETIME NOT NULL, 
	PRIMARY KEY (run_id, step, workspace_id)
);
CREATE TABLE touch (
	workspace_id VARCHAR(128) NOT NULL, 
	touch_id VARCHAR(128) NOT NULL, 
	occurred_at DATETIME NOT NULL, 
	channel VARCHAR(64) NOT NULL, 
	content_id VARCHAR(128), 
	converted BOOLEAN NOT NULL, 
	attributes JSON, 
	run_id VARCHAR(128) NOT NULL, 
	PRIMARY KEY (workspace_id, touch_id)
);
CREATE TABLE transfer_charge (
	unit_id VARCHAR(128) NOT NULL, 
	period VARCHAR(64) NOT NULL, 
	rho DOUBLE NOT NULL, 
	charged_at DATETIME NOT NULL, 
	run_id VARCHAR(128) NOT NULL, 
	PRIMARY KEY (unit_id, period)
);
INSERT INTO "transfer_charge" VALUES('acme','2026-01-05',0.25,'2026-01-05 09:00:00.000000','first');
CREATE TABLE transfer_estimate (
	workspace_id VARCHAR(128) NOT NULL, 
	pattern_key VARCHAR(128) NOT NULL, 
	log_lift DOUBLE NOT NULL, 
	standard_error DOUBLE NOT NULL, 
	log_lift_a DOUBLE, 
	log_lift_b DOUBLE, 
	matching BIGINT NOT NULL, 
	posts BIGINT NOT NULL, 
	as_of DATETIME NOT NULL, 
	run_id VARCHAR(128) NOT NULL, 
	PRIMARY KEY (workspace_id, pattern_key)
);
CREATE TABLE transfer_release (
	period VARCHAR(64) NOT NULL, 
	status VARCHAR(64) NOT NULL, 
	catalogue_version BIGINT NOT NULL, 
	epsilon DOUBLE NOT NULL, 
	delta DOUBLE NOT NULL, 
	rho DOUBLE NOT NULL, 
	noise_scale DOUBLE NOT NULL, 
	as_of DATETIME NOT NULL, 
	run_id VARCHAR(128) NOT NULL, 
	PRIMARY KEY (period)
);
CREATE TABLE transfer_sum (
	period VARCHAR(64) NOT NULL, 
	segment VARCHAR(128) NOT NULL, 
	sums JSON NOT NULL, 
	PRIMARY KEY (period, segment)
);
CREATE TABLE workspace (
	workspace_id VARCHAR(128) NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	industry VARCHAR(64) NOT NULL, 
	size VARCHAR(64) NOT NULL, 
	timezone VARCHAR(64) NOT NULL, 
	organisation_id VARCHAR(128), 
	shares_insights BOOLEAN NOT NULL, 
	run_id VARCHAR(128) NOT NULL, 
	PRIMARY KEY (workspace_id)
);
INSERT INTO "workspace" VALUES('acme','Acme','saas','smb','UTC',NULL,1,'test');
CREATE INDEX content_by_time ON content (workspace_id, published_at);
CREATE INDEX debate_by_time ON debate (workspace_id, created_at);
CREATE INDEX experiment_by_workspace ON experiment (workspace_id, name);
CREATE INDEX pattern_analysis_by_time ON pattern_analysis (workspace_id, content_type, as_of);
CREATE INDEX pattern_finding_by_workspace ON pattern_finding (workspace_id, content_type);
CREATE INDEX touch_by_time ON touch (workspace_id, occurred_at);
COMMIT;
