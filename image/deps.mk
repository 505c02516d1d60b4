# Builds the libraries of image/deps.lock twice: static with musl (what ships) and with the host's
# libc (for the sanitizer builds of the tests). Called by the Makefile:
#   make -f image/deps.mk -j2 fetch && make -f image/deps.mk -j2 build
# The result is $(DEPS)/{musl,glibc}/{include,lib}.
DEPS ?= build/deps
SRC := $(DEPS)/src
CONF := image/config
LIBS := musl bearssl lwip mbedtls cjson libyaml zlib libzstd nghttp2
GCC_INCLUDE := $(shell gcc -print-file-name=include 2>/dev/null)

.PHONY: fetch build
.DELETE_ON_ERROR:

# ---- sources ----
fetch: $(LIBS:%=$(SRC)/%/.fetched) $(SRC)/uapi/.fetched

$(SRC)/.lists: image/apt
	image/apt update
	@mkdir -p $(@D) && touch $@

$(SRC)/%/.fetched: image/deps.lock image/fetch | $(SRC)/.lists
	@echo "  FETCH   $*"
	@image/fetch $* && touch $@

# The kernel's user-space headers, of the kernel that is shipped.
$(SRC)/uapi/.fetched: | $(SRC)/.lists
	@echo "  FETCH   linux-libc-dev"
	@rm -rf $(@D) && image/apt deb linux-libc-dev $(@D) && touch $@

# ---- which files make which library ----
rec = $(shell test ! -d $(SRC)/$(1) || find $(SRC)/$(1) -name '*.c' | sort)

files_bearssl := $(call rec,bearssl/src)
flags_bearssl := -I$(SRC)/bearssl/src -I$(SRC)/bearssl/inc

files_mbedtls := $(wildcard $(SRC)/mbedtls/library/*.c)
flags_mbedtls := -I$(SRC)/mbedtls/library

L := $(SRC)/lwip/src
files_lwip := $(wildcard $(L)/core/*.c $(L)/core/ipv4/*.c $(L)/core/ipv6/*.c $(L)/apps/mdns/*.c) \
    $(L)/netif/ethernet.c $(L)/apps/sntp/sntp.c

files_cjson := $(SRC)/cjson/cJSON.c

files_yaml := $(wildcard $(SRC)/libyaml/src/*.c)
flags_yaml := -DYAML_VERSION_MAJOR=0 -DYAML_VERSION_MINOR=2 \
    -DYAML_VERSION_PATCH=5 -DYAML_VERSION_STRING='"0.2.5"' -DYAML_DECLARE_STATIC

# The gz*.c files wrap stdio: not wanted.
files_z := $(filter-out $(SRC)/zlib/gz%,$(wildcard $(SRC)/zlib/*.c))
flags_z := -DHAVE_UNISTD_H -DHAVE_STDARG_H -D_LARGEFILE64_SOURCE=1

Z := $(SRC)/libzstd/lib
files_zstd := $(wildcard $(Z)/common/*.c $(Z)/compress/*.c $(Z)/decompress/*.c)
flags_zstd := -I$(Z) -DZSTD_DISABLE_ASM -DZSTD_LEGACY_SUPPORT=0 -DXXH_NAMESPACE=ZSTD_ \
    -DZSTD_TRACE=0

H := $(SRC)/nghttp2/third-party/llhttp
files_llhttp := $(wildcard $(H)/src/*.c)

files_nghttp2 := $(wildcard $(SRC)/nghttp2/lib/*.c)
flags_nghttp2 := -I$(SRC)/nghttp2/lib -DHAVE_ARPA_INET_H -DHAVE_NETINET_IN_H -DNGHTTP2_STATICLIB

ARCHIVES := bearssl mbedtls lwip cjson yaml z zstd llhttp nghttp2

# ---- two flavours ----
cc_musl = gcc -nostdinc -isystem $(DEPS)/musl/include -isystem $(GCC_INCLUDE) -O2 -g0
cc_glibc = gcc -isystem $(DEPS)/glibc/include -g -O1
common := -fPIC -ffunction-sections -fdata-sections -fno-strict-aliasing -w

# $(1) flavour, $(2) archive
define archive
objs_$(1)_$(2) := $$(patsubst $(SRC)/%.c,$(DEPS)/obj/$(1)/%.o,$$(files_$(2)))
$$(objs_$(1)_$(2)): $(DEPS)/obj/$(1)/%.o: $(SRC)/%.c $(DEPS)/$(1)/include/.headers
	@mkdir -p $$(@D)
	@$$(cc_$(1)) $$(common) $$(flags_$(2)) -c $$< -o $$@
$(DEPS)/$(1)/lib/lib$(2).a: $$(objs_$(1)_$(2))
	@echo "  LIB     $(1) $(2)"
	@mkdir -p $$(@D) && rm -f $$@ && ar rcs $$@ $$(sort $$^)
build: $(DEPS)/$(1)/lib/lib$(2).a
endef
# musl comes first: it takes longest, and everything else waits only for its headers.
build: $(DEPS)/musl/lib/libc.a
$(foreach f,musl glibc,$(foreach a,$(ARCHIVES),$(eval $(call archive,$(f),$(a)))))

CONFS := $(wildcard $(CONF)/*.h $(CONF)/arch/*)
FETCHED := $(LIBS:%=$(SRC)/%/.fetched) $(SRC)/uapi/.fetched

$(SRC)/musl/config.mak: $(SRC)/musl/.fetched
	@cd $(SRC)/musl && CFLAGS='-O2 -g0 -fPIC -ffunction-sections -fdata-sections' ./configure \
	    --prefix=$(abspath $(DEPS))/musl --syslibdir=$(abspath $(DEPS))/musl/lib \
	    --disable-shared >configure.log

$(DEPS)/musl/lib/libc.a: $(SRC)/musl/config.mak $(DEPS)/musl/include/.headers
	@echo "  LIB     musl"
	@+$(MAKE) -s -C $(SRC)/musl install

$(DEPS)/musl/include/.headers: $(SRC)/musl/config.mak $(FETCHED) $(CONFS)
	@$(MAKE) -s -C $(SRC)/musl install-headers
	@$(call install_headers,musl) && touch $@

$(DEPS)/glibc/include/.headers: $(FETCHED) $(CONFS)
	@mkdir -p $(@D) && $(call install_headers,glibc) && touch $@

# mbedTLS's configuration is installed with ours appended: users need no -D to see the right one.
define install_headers
i=$(DEPS)/$(1)/include && u=$(SRC)/uapi/usr/include && \
cp -rL $$u/linux $$u/asm-generic $$u/x86_64-linux-gnu/asm $$i/ && \
cp $(SRC)/bearssl/inc/*.h $$i/ && \
cp -r $(SRC)/mbedtls/include/mbedtls $(SRC)/mbedtls/include/psa $$i/ && \
cat $(CONF)/mbedtls_config_tail.h >>$$i/mbedtls/mbedtls_config.h && \
cp -r $(L)/include/lwip $(L)/include/netif $$i/ && cp -r $(CONF)/lwipopts.h $(CONF)/arch $$i/ && \
cp $(SRC)/cjson/cJSON.h $(SRC)/libyaml/include/yaml.h $(SRC)/zlib/zlib.h $(SRC)/zlib/zconf.h $$i/ && \
cp $(Z)/zstd.h $(Z)/zstd_errors.h $(H)/include/llhttp.h $$i/ && \
mkdir -p $$i/nghttp2 && cp $(SRC)/nghttp2/lib/includes/nghttp2/nghttp2.h $$i/nghttp2/ && \
sed 's/@PACKAGE_VERSION@/1.64.0/; s/@PACKAGE_VERSION_NUM@/0x014000/' \
    $(SRC)/nghttp2/lib/includes/nghttp2/nghttp2ver.h.in >$$i/nghttp2/nghttp2ver.h
endef
