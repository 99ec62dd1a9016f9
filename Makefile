# `make` lists what there is. Everything sets itself up; nothing needs to be installed by hand.

.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
PACKAGES := accounts core delivery petitions pickets worker wsgi.py

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

setup: ## install what is missing: system libraries, the locked packages, compiled translations
	@.ci/setup $(PROGRAMS)

demo: setup ## run the whole platform here and let 500 people sign; ONCE=1 stops after the bundle
	@$(PYTHON) -m core.demo $(if $(ONCE),--once)

totp: ## print what an authenticator app shows now; KEY="the key beside the QR code"
	@$(PYTHON) -m core.demo.totp $(KEY)

test: PROGRAMS = chromium=chromium /usr/sbin/nginx=nginx-light pdftotext=poppler-utils qpdf=qpdf
test: setup lint ## all checks and all tests
	@$(PYTHON) -m pytest -n auto --maxprocesses 4 --dist loadscope --no-loadscope-reorder $(ARGS)

faults: PROGRAMS = faketime=faketime
faults: setup ## break everything on purpose, with real processes, and compare numbers; ONLY="F1 F8" runs some
	@$(PYTHON) -m tests.faults $(ONLY)

abuse: setup ## let crowds of machines and people sign, and count who comes to be counted; SEEDS="1 2" draws none anew
	@$(PYTHON) -m tests.abuse $(SEEDS)

bench: PROGRAMS = wrk=wrk /usr/sbin/nginx=nginx-light pdftotext=poppler-utils chromium=chromium
bench: setup ## measure; each benchmark says what it measures and what that is compared with; FULL=1 with a million signatures
	@.uv/bin/uv sync --quiet --frozen --no-progress --python python3 --group benchmarks
	@$(PYTHON) -m benchmarks.intake
	@$(PYTHON) -m benchmarks.register
	@$(PYTHON) -m benchmarks.bundle

lint: setup ## format, style, types, import contracts
	@$(PYTHON) -m ruff format --check --quiet .
	@$(PYTHON) -m ruff check --quiet .
	@$(PYTHON) -m mypy $(PACKAGES)
	@.venv/bin/lint-imports --no-cache >/dev/null || .venv/bin/lint-imports --no-cache

fmt: setup ## put the code into its format
	@$(PYTHON) -m ruff format --quiet .
	@$(PYTHON) -m ruff check --quiet --fix .

translations: setup ## bring the .po files up to date with the texts in code and templates
	@.venv/bin/pybabel -q extract -F core/translations/babel.cfg -k _l --sort-by-file --add-location=file -o core/translations/messages.pot accounts core delivery petitions pickets worker templates wsgi.py
	@.venv/bin/pybabel -q update --no-fuzzy-matching --ignore-pot-creation-date -i core/translations/messages.pot -d core/translations
	@rm core/translations/messages.pot
	@sed -i -E '/^# (Copyright|FIRST AUTHOR|This file)|^#, fuzzy$$|^"(Report-Msgid|POT-Creation|PO-Revision|Last-Translator|Language-Team|Generated-By)/d; s/PROJECT VERSION/Zbor/; s/for PROJECT/for Zbor/' core/translations/*/LC_MESSAGES/messages.po

clean: ## remove the demonstration's data, keep what is installed
	@rm -rf var

.PHONY: help setup demo totp test faults abuse bench lint fmt translations clean
