# cython: language_level=3
"""Finding OpenSSL, and one pointer for each of its functions that we call."""
import os
import sys

cdef extern from "<dlfcn.h>" nogil:
    void* dlopen(const char*, int)
    void* dlsym(void*, const char*)
    int RTLD_NOW, RTLD_LOCAL

cdef Api _api
cdef bint _loaded = False
OLDEST = 0x10101000                    # 1.1.1
NAMES = ("libssl.so.3", "libssl.so.1.1", "libssl.so")
# macOS ends a process that asks for a libssl without a version, which is Apple's own: Python's, Homebrew's, MacPorts'.
MAC_FOLDERS = (os.path.join(sys.base_prefix, "lib"), "/opt/homebrew/opt/openssl@3/lib", "/usr/local/opt/openssl@3/lib",
               "/opt/local/libexec/openssl3/lib")
MAC_NAMES = ("libssl.3.dylib", "libssl.1.1.dylib")

cdef Api* openssl() noexcept nogil:
    return &_api


class NoOpenSSL(OSError):
    """There is no OpenSSL that can be used; str() says what was looked for."""


def load() -> str:
    """Find OpenSSL, once; its file. NoOpenSSL without one."""
    global _loaded, _file
    if not _loaded:
        _file = find()
        _loaded = True
    return _file


_file = ""


def candidates() -> list[str]:
    """Where it may be, best first: the one that is in this process already, because Python's `ssl` brought it."""
    found = []
    if sys.platform == "darwin":
        return [os.path.join(folder, name) for folder in MAC_FOLDERS for name in MAC_NAMES]
    try:
        import ssl  # noqa: F401
        with open("/proc/self/maps") as maps:
            found = sorted({line.split()[-1] for line in maps if _name_in(line).startswith(("libssl", "libpython"))},
                           key=lambda path: "libssl" not in path)
    except (ImportError, OSError):
        pass
    import ctypes.util                 # here, and not at the head, like `ssl`: a server without TLS starts without them

    named = ctypes.util.find_library("ssl")
    return list(dict.fromkeys([*found, *([named] if named else []), *NAMES]))


cdef str _name_in(str line):
    """Of the file that a line of maps tells of; "" where that is none."""
    return line.rstrip().rpartition("/")[2] if "/" in line else ""


cdef str find():
    cdef void* handle
    tried = []
    for name in candidates():
        handle = dlopen(os.fsencode(name), RTLD_NOW | RTLD_LOCAL)
        if handle == NULL:
            continue
        missing = fill(handle)
        if not missing:
            return name
        tried.append(f"{name} has no {missing}")
    raise NoOpenSSL("TLS needs OpenSSL 1.1.1 or later (libssl3 of Debian and Ubuntu, openssl-libs of Fedora): "
                    + ("; ".join(tried) or "no libssl was found"))


cdef void* symbol(void* handle, str name):
    return dlsym(handle, name.encode())


cdef str fill(void* handle):
    """Takes the functions of a library; the name of the first that it lacks, or ""."""
    cdef void** at = <void**>&_api
    cdef int i = 0
    for name in FUNCTIONS:
        at[i] = symbol(handle, name)   # libssl brings libcrypto along: one handle finds both
        if at[i] == NULL and name not in OPTIONAL:
            return name
        i += 1
    return "" if _api.OpenSSL_version_num() >= OLDEST else "version from 1.1.1 on"


OPTIONAL = ("PEM_read_bio_DHparams", "DH_free", "EVP_PKEY_get_bits", "EVP_PKEY_bits")
FUNCTIONS = (                          # in the order of Api
    "TLS_method", "SSL_CTX_new", "SSL_CTX_free", "SSL_CTX_ctrl", "SSL_CTX_set_options", "SSL_CTX_set_verify",
    "SSL_CTX_set_default_passwd_cb", "SSL_CTX_set_default_passwd_cb_userdata", "SSL_CTX_use_certificate_chain_file",
    "SSL_CTX_use_PrivateKey_file", "SSL_CTX_load_verify_locations", "SSL_CTX_set_default_verify_paths",
    "SSL_CTX_set_cipher_list", "SSL_CTX_set_ciphersuites", "SSL_CTX_set_timeout", "SSL_CTX_set_num_tickets",
    "SSL_CTX_set_session_id_context", "SSL_CTX_get0_certificate",
    "X509_get0_notAfter", "ASN1_TIME_to_tm", "BIO_new_file", "PEM_read_bio_DHparams", "DH_free",
    "SSL_CTX_get0_privatekey", "EVP_PKEY_get_bits", "EVP_PKEY_bits",
    "SSL_new", "SSL_free", "SSL_ctrl", "SSL_set_verify", "SSL_set_bio", "SSL_set_accept_state", "SSL_set_connect_state",
    "SSL_do_handshake", "SSL_read", "SSL_write", "SSL_has_pending", "SSL_get_error", "SSL_shutdown",
    "SSL_get_verify_result", "X509_verify_cert_error_string",
    "BIO_meth_new", "BIO_meth_set_read", "BIO_meth_set_write", "BIO_meth_set_ctrl", "BIO_new", "BIO_free", "BIO_set_data",
    "BIO_get_data", "BIO_set_init", "BIO_set_flags", "BIO_clear_flags",
    "ERR_get_error", "ERR_clear_error", "ERR_error_string_n", "OpenSSL_version_num",
)
if len(FUNCTIONS) * sizeof(void*) != sizeof(Api):
    raise ImportError("Api and FUNCTIONS do not agree")
