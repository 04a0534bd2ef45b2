# cython: language_level=3
"""OpenSSL's functions, found while running: of the library that Python's own `ssl` module uses, else of the system's.
Nothing of OpenSSL is needed to build; a machine without it serves everything but TLS.

What stands here are OpenSSL's own names and numbers (1.1.1 and later), as its manual gives them. Nobody calls one of these before
load() of iothreads.openssl has returned.
"""
from libc.stdint cimport uint64_t

cdef enum:
    SSL_FILETYPE_PEM = 1
    SSL_VERIFY_NONE = 0
    SSL_VERIFY_PEER = 1
    SSL_VERIFY_FAIL_IF_NO_PEER_CERT = 2
    SSL_ERROR_SSL = 1
    SSL_ERROR_WANT_READ = 2
    SSL_ERROR_WANT_WRITE = 3
    SSL_ERROR_SYSCALL = 5
    SSL_ERROR_ZERO_RETURN = 6
    SSL_MODE_ENABLE_PARTIAL_WRITE = 1
    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER = 2
    SSL_MODE_RELEASE_BUFFERS = 16
    SSL_SESS_CACHE_OFF = 0
    SSL_SESS_CACHE_SERVER = 2
    SSL_CTRL_SET_TMP_DH = 3
    SSL_CTRL_MODE = 33
    SSL_CTRL_SET_READ_AHEAD = 41
    SSL_CTRL_SET_SESS_CACHE_SIZE = 42
    SSL_CTRL_SET_SESS_CACHE_MODE = 44
    SSL_CTRL_SET_TLSEXT_HOSTNAME = 55
    SSL_CTRL_SET_DH_AUTO = 118
    BIO_TYPE_SOURCE_SINK = 0x0400
    BIO_FLAGS_READ = 1
    BIO_FLAGS_WRITE = 2
    BIO_FLAGS_RWS = 7
    BIO_FLAGS_SHOULD_RETRY = 8
    BIO_CTRL_FLUSH = 11

cdef enum Option:                      # SSL_CTX_set_options
    SSL_OP_IGNORE_UNEXPECTED_EOF = 0x80
    SSL_OP_NO_TICKET = 0x4000
    SSL_OP_NO_COMPRESSION = 0x20000
    SSL_OP_CIPHER_SERVER_PREFERENCE = 0x400000
    SSL_OP_NO_TLSv1 = 0x4000000
    SSL_OP_NO_TLSv1_2 = 0x8000000
    SSL_OP_NO_TLSv1_1 = 0x10000000
    SSL_OP_NO_TLSv1_3 = 0x20000000
    SSL_OP_NO_RENEGOTIATION = 0x40000000

cdef struct Api:
    # contexts
    void* (*TLS_method)() noexcept nogil
    void* (*SSL_CTX_new)(void* method) noexcept nogil
    void (*SSL_CTX_free)(void* context) noexcept nogil
    long (*SSL_CTX_ctrl)(void* context, int what, long number, void* pointer) noexcept nogil
    uint64_t (*SSL_CTX_set_options)(void* context, uint64_t options) noexcept nogil
    void (*SSL_CTX_set_verify)(void* context, int mode, void* callback) noexcept nogil
    void (*SSL_CTX_set_default_passwd_cb)(void* context, int (*callback)(char*, int, int, void*) noexcept nogil) noexcept nogil
    void (*SSL_CTX_set_default_passwd_cb_userdata)(void* context, void* data) noexcept nogil
    int (*SSL_CTX_use_certificate_chain_file)(void* context, const char* path) noexcept nogil
    int (*SSL_CTX_use_PrivateKey_file)(void* context, const char* path, int kind) noexcept nogil
    int (*SSL_CTX_load_verify_locations)(void* context, const char* path, const char* folder) noexcept nogil
    int (*SSL_CTX_set_default_verify_paths)(void* context) noexcept nogil
    int (*SSL_CTX_set_cipher_list)(void* context, const char* ciphers) noexcept nogil
    int (*SSL_CTX_set_ciphersuites)(void* context, const char* ciphers) noexcept nogil
    long (*SSL_CTX_set_timeout)(void* context, long seconds) noexcept nogil
    int (*SSL_CTX_set_num_tickets)(void* context, size_t count) noexcept nogil
    int (*SSL_CTX_set_session_id_context)(void* context, const unsigned char* id, unsigned int length) noexcept nogil
    void* (*SSL_CTX_get0_certificate)(void* context) noexcept nogil
    void* (*X509_get0_notAfter)(void* certificate) noexcept nogil
    int (*ASN1_TIME_to_tm)(void* time, void* tm) noexcept nogil
    void* (*BIO_new_file)(const char* path, const char* mode) noexcept nogil
    void* (*PEM_read_bio_DHparams)(void* bio, void* unused, void* callback, void* data) noexcept nogil
    void (*DH_free)(void* parameters) noexcept nogil
    void* (*SSL_CTX_get0_privatekey)(void* context) noexcept nogil
    int (*EVP_PKEY_get_bits)(void* key) noexcept nogil         # OpenSSL 3's name ...
    int (*EVP_PKEY_bits)(void* key) noexcept nogil             # ... and that before it: one of them is NULL
    # connections
    void* (*SSL_new)(void* context) noexcept nogil
    void (*SSL_free)(void* ssl) noexcept nogil
    long (*SSL_ctrl)(void* ssl, int what, long number, void* pointer) noexcept nogil
    void (*SSL_set_verify)(void* ssl, int mode, void* callback) noexcept nogil
    void (*SSL_set_bio)(void* ssl, void* read, void* write) noexcept nogil
    void (*SSL_set_accept_state)(void* ssl) noexcept nogil
    void (*SSL_set_connect_state)(void* ssl) noexcept nogil
    int (*SSL_do_handshake)(void* ssl) noexcept nogil
    int (*SSL_read)(void* ssl, void* to, int room) noexcept nogil
    int (*SSL_write)(void* ssl, const void* bytes, int length) noexcept nogil
    int (*SSL_has_pending)(void* ssl) noexcept nogil
    int (*SSL_get_error)(void* ssl, int result) noexcept nogil
    int (*SSL_shutdown)(void* ssl) noexcept nogil
    long (*SSL_get_verify_result)(void* ssl) noexcept nogil
    const char* (*X509_verify_cert_error_string)(long number) noexcept nogil
    # where their bytes come from and go to
    void* (*BIO_meth_new)(int kind, const char* name) noexcept nogil
    int (*BIO_meth_set_read)(void* method, int (*callback)(void*, char*, int) noexcept nogil) noexcept nogil
    int (*BIO_meth_set_write)(void* method, int (*callback)(void*, const char*, int) noexcept nogil) noexcept nogil
    int (*BIO_meth_set_ctrl)(void* method, long (*callback)(void*, int, long, void*) noexcept nogil) noexcept nogil
    void* (*BIO_new)(void* method) noexcept nogil
    int (*BIO_free)(void* bio) noexcept nogil
    void (*BIO_set_data)(void* bio, void* data) noexcept nogil
    void* (*BIO_get_data)(void* bio) noexcept nogil
    void (*BIO_set_init)(void* bio, int yes) noexcept nogil
    void (*BIO_set_flags)(void* bio, int flags) noexcept nogil
    void (*BIO_clear_flags)(void* bio, int flags) noexcept nogil
    # errors
    unsigned long (*ERR_get_error)() noexcept nogil
    void (*ERR_clear_error)() noexcept nogil
    void (*ERR_error_string_n)(unsigned long error, char* to, size_t room) noexcept nogil
    unsigned long (*OpenSSL_version_num)() noexcept nogil

cdef Api* openssl() noexcept nogil
