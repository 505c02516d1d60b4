# Keelson's build. `make help` lists the targets. Everything made goes to $(BUILD); the libraries and
# the kernel go to $(DEPS), which several build directories can share:  make BUILD=/tmp/mine unit DIR=store
BUILD ?= build
DEPS ?= build/deps
KERNEL ?= debian
TIME ?= 60
MAKEFLAGS += --no-builtin-rules
export KEELSON_DEPS := $(abspath $(DEPS))
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:

# ---- sources: whatever is there ----
find_c = $(sort $(shell find $(wildcard $(1)) /dev/null -name '*.c' $(2)))
CORE := $(filter-out core/schema/gen/%,$(call find_c,core))
FOLDERS := $(sort $(foreach f,$(CORE),$(word 2,$(subst /, ,$(f)))))
DRIVERS := $(call find_c,drivers,-not -path 'drivers/shim/*')
SHIM := $(call find_c,drivers/shim) $(wildcard drivers/runtime/plan.c drivers/runtime/shim_msg.c)
GLUE := $(call find_c,kernel-glue)
UNIT := $(call find_c,tests/unit,-name '*_test.c')
UNIT_LIB := $(filter-out $(UNIT),$(call find_c,tests/unit)) # helpers beside the tests
WHOLE := $(call find_c,tests/golden tests/fault,-name '*_test.c')
FUZZ := $(call find_c,tests/fuzz,-name '*_fuzz.c')
BENCH := $(call find_c,tests/bench,-name '*_bench.c')
SIM := $(filter-out tests/sim/exhaustive.c,$(call find_c,tests/sim)) tests/unit/store/sim_disk.c
SCRIPTS = $(sort $(shell find $(wildcard $(1:%=tests/%)) /dev/null -type f -perm -u+x \
    \( -name '*_test' -o -name '*_test.sh' -o -name '*_test.py' \)))

# ---- flags ----
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
    -Wpointer-arith -Wwrite-strings -Werror=implicit-function-declaration \
    -Werror=incompatible-pointer-types -Werror=int-conversion -Werror=return-type
CPPFLAGS := -D_GNU_SOURCE -I. -Icore -I$(BUILD)/gen
CFLAGS := -std=gnu17 $(WARN) -ffunction-sections -fdata-sections -fno-strict-aliasing
GCC_INCLUDE := $(shell gcc -print-file-name=include 2>/dev/null)
M := $(DEPS)/musl

# Three flavours of the same tree: what ships, what the tests run, what libFuzzer drives.
CC_ship := gcc -nostdinc -isystem $(M)/include -isystem $(GCC_INCLUDE)
CFLAGS_ship := -O2 -g -fPIE -fstack-protector-strong
CC_asan := gcc -isystem $(DEPS)/glibc/include
CFLAGS_asan := -O1 -g -fPIC -fno-omit-frame-pointer -fsanitize=address,undefined \
    -fno-sanitize-recover=undefined
CC_fuzz := clang -isystem $(DEPS)/glibc/include
CFLAGS_fuzz := $(CFLAGS_asan) -fsanitize=fuzzer-no-link -Wno-unknown-warning-option
DIR_ship := $(BUILD)
DIR_asan := $(BUILD)/asan
DIR_fuzz := $(BUILD)/libfuzzer

THIRD := bearssl mbedtls lwip cjson yaml z zstd llhttp nghttp2
third = $(THIRD:%=$(DEPS)/$(1)/lib/lib%.a)
group = -Wl,--start-group $(1) -Wl,--end-group
LIBGCC := $(shell gcc -print-libgcc-file-name 2>/dev/null)
crt = $(shell gcc -print-file-name=$(1) 2>/dev/null)
# A real static PIE: musl's self-relocating start file and no interpreter.
LINK_ship = gcc -nostdlib -static-pie -Wl,-z,text,-z,relro,-z,now,--gc-sections -o $@ $(M)/lib/rcrt1.o \
    $(M)/lib/crti.o $(call crt,crtbeginS.o) $(call group,$(1) $(call third,musl) $(M)/lib/libc.a \
    $(LIBGCC) $(call crt,libgcc_eh.a)) $(call crt,crtendS.o) $(M)/lib/crtn.o
LINK_asan = gcc -fsanitize=address,undefined -Wl,--gc-sections -o $@ \
    $(call group,$(1) $(call third,glibc)) -lcmocka -lpthread
LINK_fuzz = clang -fsanitize=fuzzer,address,undefined -o $@ $(call group,$(1) $(call third,glibc))

.PHONY: all image run test check check-asan check-oom check-sim check-exhaustive check-mutants check-qemu soak unit asan fuzz bench lint \
    format size help clean deps kernel FORCE
all: $(BUILD)/keelson

# ---- third-party libraries ----
# Stamps are named by content, so that checkouts can share $(DEPS).
sum = $(shell cat $(1) | sha256sum | cut -c1-12)
LIBRARIES := $(DEPS)/.libraries-$(call sum,image/deps.lock image/deps.mk image/config/*.h image/config/arch/*)
deps: $(LIBRARIES)
$(LIBRARIES):
	@mkdir -p $(DEPS)
	+@flock $(DEPS)/.lock $(MAKE) -s -f image/deps.mk DEPS=$(DEPS) fetch
	+@flock $(DEPS)/.lock $(MAKE) -s -f image/deps.mk DEPS=$(DEPS) build
	@touch $@

# ---- generated sources; the version header is rewritten only when it changes ----
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null | sed -n 's/^v//p' | grep . || echo 0.1.0)
VERSION_LINE := \#define KEELSON_VERSION "$(VERSION)"
ifneq ($(MAKECMDGOALS),clean)
$(shell mkdir -p $(BUILD)/gen; f=$(BUILD)/gen/keelson_version.h; \
    echo '$(VERSION_LINE)' | cmp -s - $$f || echo '$(VERSION_LINE)' >$$f)
# Sets allowed_FOLDER, the folders that FOLDER may use.
include $(BUILD)/gen/layers.mk
endif
$(BUILD)/gen/layers.mk: core/LAYERS tests/lint/layers.awk
	@mkdir -p $(@D) && awk -v out=make -f tests/lint/layers.awk core/LAYERS >$@

SCHEMA_GEN := $(call find_c,core/schema/gen)
ifneq ($(SCHEMA_GEN),)
SCHEMA_TABLES := $(BUILD)/gen/schema_tables.c
endif
$(BUILD)/schema_gen: $(SCHEMA_GEN) $(wildcard core/schema/gen/*.h)
	@echo "  HOSTCC  $@" && gcc -std=gnu17 $(WARN) -O1 -g $(CPPFLAGS) -o $@ $(SCHEMA_GEN)
$(BUILD)/gen/schema_tables.c: $(BUILD)/schema_gen core/schema/kubernetes-1.35-api.tsv core/schema/go-fields.tsv
	@echo "  GEN     $@" && $< $(filter %.tsv,$^) $@

# ---- objects and one archive a folder, for each flavour ----
# archive FLAVOUR NAME SOURCES [EXTRA OBJECTS]
define archive
$(DIR_$(1))/$(2).a: $(patsubst %.c,$(DIR_$(1))/obj/%.o,$(3)) $(4)
	@rm -f $$@ && ar rcs $$@ $$^
endef
define flavour
$(DIR_$(1))/obj/%.o: %.c $(LIBRARIES)
	@echo "  CC      $$(@:$(BUILD)/%=%)" && mkdir -p $$(@D)
	@$$(CC_$(1)) $$(CPPFLAGS) $$(CFLAGS) $$(CFLAGS_$(1)) -MMD -MP -c $$< -o $$@
$(DIR_$(1))/obj/schema_tables.o: $(BUILD)/gen/schema_tables.c $(LIBRARIES)
	@echo "  CC      $$(@:$(BUILD)/%=%)" && mkdir -p $$(@D)
	@$$(CC_$(1)) $$(CPPFLAGS) $$(CFLAGS) $$(CFLAGS_$(1)) -MMD -MP -c $$< -o $$@
$(foreach f,$(FOLDERS),$(eval $(call archive,$(1),core_$(f),$(filter core/$(f)/%,$(CORE)),\
    $(if $(filter schema,$(f)),$(SCHEMA_TABLES:%=$(DIR_$(1))/obj/schema_tables.o)))))
$(eval $(call archive,$(1),drivers,$(DRIVERS),$(if $(DRIVERS),$(BUILD)/obj/shim_elf.o)))
$(eval $(call archive,$(1),glue,$(GLUE)))
below_$(1) := $(patsubst %,$(DIR_$(1))/core_%.a,$(filter-out main,$(FOLDERS))) \
    $(DIR_$(1))/drivers.a $(DIR_$(1))/glue.a
endef
$(foreach f,ship asan fuzz,$(eval $(call flavour,$(f))))
-include $(shell find $(wildcard $(BUILD)/obj $(BUILD)/shim $(BUILD)/asan/obj $(BUILD)/libfuzzer/obj) /dev/null -name '*.d')

# ---- the pods' shim: a second, tiny program carried inside the binary ----
$(BUILD)/shim.elf: $(patsubst %.c,$(BUILD)/shim/%.o,$(SHIM)) $(BUILD)/glue.a $(BUILD)/core_base.a
	@echo "  LD      $@" && : >$@
	@test -z "$(SHIM)" || { gcc -nostdlib -static -no-pie -Wl,--gc-sections,-z,noseparate-code -s -o $@ \
	    $(M)/lib/crt1.o $(M)/lib/crti.o $(filter %.o,$^) \
	    $(call group,$(filter %.a,$^) $(M)/lib/libc.a $(LIBGCC)) $(M)/lib/crtn.o; }
$(BUILD)/shim/%.o: %.c $(LIBRARIES)
	@echo "  CC      $(@:$(BUILD)/%=%)" && mkdir -p $(@D)
	@$(CC_ship) $(CPPFLAGS) $(CFLAGS) -Os -fno-pie -fno-stack-protector -fno-asynchronous-unwind-tables \
	    -MMD -MP -c $< -o $@
$(BUILD)/obj/shim_elf.o: $(BUILD)/shim.elf
	@mkdir -p $(@D) && printf '.section .rodata.shim,"a"\n.balign 16\n.globl shim_elf_start,shim_elf_end\nshim_elf_start:\n.incbin "$<"\nshim_elf_end:\n.section .note.GNU-stack,"",@progbits\n' | gcc -c -x assembler - -o $@

# ---- the binary ----
$(BUILD)/keelson.debug: $(BUILD)/core_main.a $(below_ship)
	@echo "  LD      $@" && $(call LINK_ship,$^)
	@! readelf -lW $@ | grep -q INTERP || { echo "$@ asks for an interpreter" >&2; exit 1; }
$(BUILD)/keelson: $(BUILD)/keelson.debug
	@strip -o $@ $< && echo "  BIN     $@ $$(stat -c %s $@) bytes"
$(BUILD)/asan/keelson: $(BUILD)/asan/core_main.a $(below_asan)
	@echo "  LD      $@" && $(call LINK_asan,$^)
asan: $(BUILD)/asan/keelson

# ---- kernel and images ----
KDIR := $(DEPS)/kernel-$(KERNEL)
KSTAMP := $(KDIR)/.kernel-$(call sum,image/kernel $(if $(filter tuned,$(KERNEL)),kernel-glue/config/tuned.fragment))
kernel: $(KSTAMP)
$(KSTAMP):
	@$(if $(filter tuned,$(KERNEL)),image/prerequisites tuned)
	@mkdir -p $(DEPS) && flock $(DEPS)/.kernel-lock image/kernel $(KERNEL) $(KDIR) && touch $@
image: $(BUILD)/keelson.img
$(BUILD)/keelson.efi: $(BUILD)/keelson $(KSTAMP) image/mkuki image/mkinitramfs kernel-glue/config/modules.txt \
    kernel-glue/config/cmdline $(BUILD)/kernel-choice
	@image/mkinitramfs $(BUILD)/keelson $(KDIR) $(BUILD)/initramfs
	@image/mkuki $(KDIR) $(BUILD)/initramfs.cpio.zst $(VERSION) $@
$(BUILD)/keelson.img: $(BUILD)/keelson.efi image/mkdisk
	@image/mkdisk $(BUILD)/keelson.efi $@
$(BUILD)/kernel-choice: FORCE
	@echo $(KERNEL) | cmp -s - $@ || echo $(KERNEL) >$@

run:
	@image/prerequisites run
	@$(MAKE) --no-print-directory image
	@qemu/run

# ---- tests ----
# A unit test sees only the archives that its folder may use, so a broken neighbour does not break it.
folder_of = $(word 3,$(subst /, ,$(1)))
archives_of = $(if $(filter $(call folder_of,$(1)),$(FOLDERS)),\
    $(patsubst %,$(BUILD)/asan/core_%.a,$(filter $(allowed_$(call folder_of,$(1))),$(FOLDERS))),$(below_asan))
main_of = $(if $(filter main,$(call folder_of,$(1))),$(BUILD)/asan/core_main.a $(below_asan))
prog = $(patsubst tests/%.c,$(BUILD)/asan/tests/%,$(1))
obj = $(patsubst %.c,$(BUILD)/asan/obj/%.o,$(1))
# program SOURCE ARCHIVES
define program
$(call prog,$(1)): $(call obj,$(1)) $(2)
	@mkdir -p $$(@D) && $$(call LINK_asan,$$^)
endef
$(foreach t,$(UNIT),$(eval $(call program,$(t),$(call obj,$(filter $(dir $(t))%,$(UNIT_LIB))) \
    $(or $(call main_of,$(t)),$(call archives_of,$(t))))))
$(foreach t,$(WHOLE),$(eval $(call program,$(t),$(below_asan))))
# Parsers of core/main too; its main.o is never drawn in, since libFuzzer and the replay have their own main.
$(foreach t,$(FUZZ),$(eval $(call program,$(t),$(call obj,tests/lib/fuzz_replay.c) $(BUILD)/asan/core_main.a \
    $(below_asan))))

RUN := BUILD=$(BUILD) KEELSON=$(BUILD)/keelson ACCEL=tcg tests/lib/run
UNIT_PROGS := $(call prog,$(UNIT))
CHECK_PROGS := $(UNIT_PROGS) $(call prog,$(FUZZ)) $(call prog,$(WHOLE)) $(call prog,tests/sim/cluster_sim.c tests/sim/exhaustive.c)
LINTS := $(wildcard tests/lint/*_lint)
DIR_PROGS := $(filter $(BUILD)/asan/tests/unit/$(DIR)/%,$(UNIT_PROGS))
unit: $(if $(DIR),$(DIR_PROGS),$(UNIT_PROGS))
	@$(RUN) -j 2 $^
check-asan: $(CHECK_PROGS)
	@$(RUN) -j 2 $^
check: all $(CHECK_PROGS)
	@$(RUN) -j 2 $(LINTS) $(CHECK_PROGS) $(call SCRIPTS,golden)
test:
	@image/prerequisites test
	@$(MAKE) --no-print-directory all image $(CHECK_PROGS)
	@$(RUN) -j 2 $(LINTS) $(CHECK_PROGS) $(call SCRIPTS,golden) -j 1 $(call SCRIPTS,fault oci cluster boot)
check-oom: $(filter %_oom_test,$(UNIT_PROGS))
	@$(RUN) -j 2 $^
# Whole replicas in one process; optimised for many seeds, with the sanitizers among the tests.
$(eval $(call program,tests/sim/cluster_sim.c,$(call obj,$(filter-out tests/sim/cluster_sim.c,$(SIM))) \
    $(below_asan)))
$(BUILD)/sim/cluster_sim: $(SIM:%.c=$(BUILD)/obj/%.o) $(below_ship)
	@mkdir -p $(@D) && $(call LINK_ship,$^)
check-sim: $(BUILD)/sim/cluster_sim
	@SEED=$(SEED) TRACE=$(TRACE) $<
$(eval $(call program,tests/sim/exhaustive.c,$(below_asan)))
$(BUILD)/sim/exhaustive: $(BUILD)/obj/tests/sim/exhaustive.o $(below_ship)
	@mkdir -p $(@D) && $(call LINK_ship,$^)
check-exhaustive: $(BUILD)/sim/exhaustive
	@$< && $< timeouts=1 proposals=1 crashes=1 && $< timeouts=2 crashes=1
soak: $(BUILD)/sim/cluster_sim
	@$< seed=$$(date +%s)000 seeds=$(or $(SEEDS),1000)
check-mutants: $(BUILD)/sim/cluster_sim
	@BUILD=$(BUILD) tests/sim/mutants $(MUTANT)
check-qemu: image
	@$(RUN) -j 1 $(call SCRIPTS,boot)
lint:
	@$(RUN) $(LINTS)

fuzz: $(TARGET:%=$(BUILD)/libfuzzer/tests/fuzz/%_fuzz)
	@test -n "$(TARGET)" || { echo "make fuzz TARGET=NAME [TIME=60]; targets:" $(FUZZ:tests/fuzz/%_fuzz.c=%) >&2; exit 2; }
	@mkdir -p $(BUILD)/corpus/$(TARGET) tests/fuzz/corpus/$(TARGET)
	$< -max_total_time=$(TIME) -print_final_stats=1 $(BUILD)/corpus/$(TARGET) tests/fuzz/corpus/$(TARGET)
$(BUILD)/libfuzzer/tests/fuzz/%: $(BUILD)/libfuzzer/obj/tests/fuzz/%.o $(BUILD)/libfuzzer/core_main.a $(below_fuzz)
	@mkdir -p $(@D) && $(call LINK_fuzz,$^)

BENCH_PROGS := $(BENCH:tests/bench/%.c=$(BUILD)/bench/%)
$(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o $(below_ship)
	@mkdir -p $(@D) && $(call LINK_ship,$^)
bench: image $(BENCH_PROGS)
	@BUILD=$(BUILD) KEELSON=$(BUILD)/keelson PARTS="$(PARTS)" tests/bench/bench

# ---- odds and ends ----
format:
	@git ls-files '*.c' '*.h' | xargs clang-format -i
size: all
	@size $(BUILD)/keelson.debug $(wildcard $(BUILD)/shim.elf)
	@ls -l $(wildcard $(BUILD)/keelson $(BUILD)/keelson.efi $(BUILD)/keelson.img) | awk '{ printf "%10d %s\n", $$5, $$NF }'
	@for a in $(filter %.a,$(wildcard $(BUILD)/*.a)); do size -t $$a | awk -v a=$$a 'END { printf "%10d %s\n", $$4, a }'; done | sort -rn
clean:
	rm -rf $(filter-out $(DEPS),$(wildcard $(BUILD)/*))
help:
	@sed -n 's/^    \(make.*\)/\1/p' docs/hacking.md
