# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""OpenSSL as a transport.

    lane  <-- bytes --  SSL_read, SSL_write  <-- records --  a BIO of ours  <-->  the plain transport

The BIO notes whether a read took all that the socket had, so that no second one is needed to find it empty. Pieces that
wait to be written become one record of up to 16 KB.
"""
import os

from libc.stddef cimport size_t
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset, strlen

from iothreads cimport openssl as names
from iothreads.openssl cimport Api, openssl
from iothreads.transport cimport (TRANSPORT_FAILED, WANT_READ, WANT_WRITE, Socket, iovec, plain_transport, socket_fail)

from iothreads.openssl import load

cdef extern from "<time.h>" nogil:
    struct c_tm "tm":
        int tm_sec, tm_min, tm_hour, tm_mday, tm_mon, tm_year

cdef enum:
    RECORD = 16384                     # most bytes in one
    ERROR_ROOM = 384
    QUICK_BITS = 256                   # elliptic keys of no more sign in a twentieth of a millisecond, all others in up to one
    X509_V_OK = 0

PROTOCOLS = {"tlsv1": names.SSL_OP_NO_TLSv1, "tlsv1.1": names.SSL_OP_NO_TLSv1_1, "tlsv1.2": names.SSL_OP_NO_TLSv1_2,
             "tlsv1.3": names.SSL_OP_NO_TLSv1_3}
VERIFY = {"no": names.SSL_VERIFY_NONE, "optional": names.SSL_VERIFY_PEER,
          "yes": names.SSL_VERIFY_PEER | names.SSL_VERIFY_FAIL_IF_NO_PEER_CERT}

cdef struct TlsState:                  # of one connection
    void* ssl
    Socket* socket                     # of the call under way
    bint drained                       # all is read that the poller has told of
    bint open                          # through the handshake, and nothing has failed since


class TlsError(Exception):
    """What is wrong with a certificate or an option, as the log shall say it."""


# ---- the socket below

cdef int bio_read(void* bio, char* to, int room) noexcept nogil:
    cdef TlsState* t = <TlsState*>openssl().BIO_get_data(bio)
    cdef ssize_t n = plain_transport().recv(t.socket, to, <size_t>room)
    openssl().BIO_clear_flags(bio, names.BIO_FLAGS_RWS | names.BIO_FLAGS_SHOULD_RETRY)
    if n == WANT_READ:
        openssl().BIO_set_flags(bio, names.BIO_FLAGS_READ | names.BIO_FLAGS_SHOULD_RETRY)
        return -1
    t.drained = n < room
    return <int>n if n >= 0 else -1


cdef int bio_write(void* bio, const char* bytes, int length) noexcept nogil:
    cdef TlsState* t = <TlsState*>openssl().BIO_get_data(bio)
    cdef ssize_t n = plain_transport().send(t.socket, bytes, <size_t>length)
    openssl().BIO_clear_flags(bio, names.BIO_FLAGS_RWS | names.BIO_FLAGS_SHOULD_RETRY)
    if n == WANT_WRITE:
        openssl().BIO_set_flags(bio, names.BIO_FLAGS_WRITE | names.BIO_FLAGS_SHOULD_RETRY)
        return -1
    return <int>n if n >= 0 else -1


cdef long bio_ctrl(void* bio, int what, long number, void* pointer) noexcept nogil:
    return 1 if what == names.BIO_CTRL_FLUSH else 0


cdef void* _method = NULL

cdef void* bio_method() noexcept:
    """How such a BIO works; made once."""
    global _method
    cdef Api* api = openssl()
    if _method == NULL:
        _method = api.BIO_meth_new(names.BIO_TYPE_SOURCE_SINK, "socket of a lane")
        if _method != NULL:
            api.BIO_meth_set_read(_method, bio_read)
            api.BIO_meth_set_write(_method, bio_write)
            api.BIO_meth_set_ctrl(_method, bio_ctrl)
    return _method


# ---- the transport

cdef void failed_for(Socket* s, TlsState* t) noexcept nogil:
    """Says in OpenSSL's words why, and which certificate was at fault."""
    cdef Api* api = openssl()
    cdef char[ERROR_ROOM] text
    cdef const char* more
    cdef size_t length
    cdef long result = api.SSL_get_verify_result(t.ssl)
    api.ERR_error_string_n(api.ERR_get_error(), text, ERROR_ROOM // 2)
    if not t.open and result != X509_V_OK:
        more = api.X509_verify_cert_error_string(result)
        length = strlen(text)
        if length + strlen(more) + 3 < ERROR_ROOM:
            memcpy(text + length, b": ", 2)
            memcpy(text + length + 2, more, strlen(more) + 1)
    socket_fail(s, text)


cdef ssize_t stopped(Socket* s, TlsState* t, int result) noexcept nogil:
    """What a call that moved nothing means for the lane; 0: the end."""
    cdef int error = openssl().SSL_get_error(t.ssl, result)
    if error == names.SSL_ERROR_WANT_READ:
        return WANT_READ
    if error == names.SSL_ERROR_WANT_WRITE:
        return WANT_WRITE
    if error == names.SSL_ERROR_ZERO_RETURN:
        s.error = 0
        return 0
    if error != names.SSL_ERROR_SYSCALL:
        failed_for(s, t)
    elif s.error == 0:                 # a peer that goes without a word
        t.open = False
        return 0
    t.open = False                     # OpenSSL wants no goodbye after that
    return TRANSPORT_FAILED


cdef inline void look_for_news(Socket* s, TlsState* t) noexcept nogil:
    """What an earlier read saw says nothing about what has come since."""
    if s.news:
        s.news = False
        t.drained = False


cdef int tls_handshake(Socket* s) noexcept nogil:
    cdef TlsState* t = <TlsState*>s.state
    cdef int n
    cdef ssize_t result
    t.socket = s
    look_for_news(s, t)
    openssl().ERR_clear_error()
    n = openssl().SSL_do_handshake(t.ssl)
    if n == 1:
        t.open = True
        return 0
    result = stopped(s, t, n)
    if result == 0:
        socket_fail(s, "the peer went during the TLS handshake")
        result = TRANSPORT_FAILED
    return <int>result


cdef ssize_t tls_recv(Socket* s, char* to, size_t room) noexcept nogil:
    cdef TlsState* t = <TlsState*>s.state
    cdef int n
    t.socket = s
    look_for_news(s, t)
    openssl().ERR_clear_error()
    n = openssl().SSL_read(t.ssl, to, <int>room)
    return n if n > 0 else stopped(s, t, n)


cdef bint tls_drained(Socket* s) noexcept nogil:
    cdef TlsState* t = <TlsState*>s.state
    return t.drained and not openssl().SSL_has_pending(t.ssl)


cdef ssize_t tls_send(Socket* s, const char* bytes, size_t length) noexcept nogil:
    cdef TlsState* t = <TlsState*>s.state
    cdef int n
    cdef ssize_t result
    t.socket = s
    openssl().ERR_clear_error()
    n = openssl().SSL_write(t.ssl, bytes, <int>length)
    if n > 0:
        return n
    result = stopped(s, t, n)
    return result if result < 0 else TRANSPORT_FAILED


cdef ssize_t tls_sendmsg(Socket* s, iovec* pieces, size_t count) noexcept nogil:
    """One record of the first pieces. When it is tried again, the same bytes come first: what waits keeps its order."""
    cdef char[RECORD] record
    cdef size_t used = 0, n, i
    if pieces[0].iov_len >= RECORD:
        return tls_send(s, <const char*>pieces[0].iov_base, pieces[0].iov_len)
    for i in range(count):
        n = min(pieces[i].iov_len, RECORD - used)
        memcpy(record + used, pieces[i].iov_base, n)
        used += n
        if used == RECORD:
            break
    return tls_send(s, record, used)


cdef bint tls_pending(Socket* s) noexcept nogil:
    return openssl().SSL_has_pending((<TlsState*>s.state).ssl)


cdef void tls_close(Socket* s) noexcept nogil:
    cdef TlsState* t = <TlsState*>s.state
    t.socket = s
    if t.open:
        openssl().ERR_clear_error()
        openssl().SSL_shutdown(t.ssl)
    openssl().SSL_free(t.ssl)
    free(t)


cdef Transport _tls
_tls.name = "tls"
_tls.short_blocks = False
_tls.drained = tls_drained
_tls.handshake = tls_handshake
_tls.recv = tls_recv
_tls.send = tls_send
_tls.sendmsg = tls_sendmsg
_tls.pending = tls_pending
_tls.close = tls_close


cdef const Transport* tls_transport() noexcept nogil:
    return &_tls


# ---- contexts

cdef int key_password(char* to, int room, int writing, void* password) noexcept nogil:
    cdef size_t length
    if password == NULL:
        return -1
    length = strlen(<const char*>password)
    if length > <size_t>room:
        return -1
    memcpy(to, password, length)
    return <int>length


cdef str last_error():
    cdef char[ERROR_ROOM] text
    openssl().ERR_error_string_n(openssl().ERR_get_error(), text, ERROR_ROOM)
    return (<bytes>text).decode("utf-8", "replace")


cdef int key_bits(Api* api, void* key) noexcept:
    """0 where OpenSSL does not tell."""
    if key == NULL or (api.EVP_PKEY_get_bits == NULL and api.EVP_PKEY_bits == NULL):
        return 0
    return api.EVP_PKEY_get_bits(key) if api.EVP_PKEY_get_bits != NULL else api.EVP_PKEY_bits(key)


cdef class TlsContext:
    """What TLS connections share. One that is in use may be replaced: those who live keep it.

    accepting: for those who come to us; else for links that we open
    certificate, key: PEM files; key_password: of the latter, "" without
    authorities, authorities_folder: PEM file and folder of whom we trust, "" for none; common_authorities: without
    both, those whom this machine trusts
    verify: "yes": a peer must show a certificate of theirs, "optional": it may, "no"
    protocols: such as "TLSv1.2 TLSv1.3"; "": these two. ciphers, ciphersuites: OpenSSL's words, "" for its own choice
    server_prefers: our order of ciphers counts. session_seconds: how long a session may be resumed, 0 = never;
    sessions: how many at once, 0 = no limit. dh_parameters: PEM file, "" for what OpenSSL finds fit

    Errors: TlsError; NoOpenSSL, when this machine has none.
    """

    def __init__(self, *, bint accepting, str certificate="", str key="", str key_password="", str authorities="",
                 str authorities_folder="", str verify="yes", str protocols="", str ciphers="", str ciphersuites="",
                 bint server_prefers=False, long sessions=0, long session_seconds=0, str dh_parameters="",
                 bint common_authorities=False):
        load()
        cdef Api* api = openssl()
        self.accepting = accepting
        self.verify = VERIFY[verify]
        api.ERR_clear_error()
        self.context = api.SSL_CTX_new(api.TLS_method())
        if self.context == NULL or bio_method() == NULL:
            raise MemoryError
        api.SSL_CTX_set_options(self.context, names.SSL_OP_NO_COMPRESSION | names.SSL_OP_NO_RENEGOTIATION
                                | names.SSL_OP_IGNORE_UNEXPECTED_EOF | refused_protocols(protocols)
                                | (names.SSL_OP_CIPHER_SERVER_PREFERENCE if server_prefers else 0))
        api.SSL_CTX_ctrl(self.context, names.SSL_CTRL_MODE, names.SSL_MODE_ENABLE_PARTIAL_WRITE
                         | names.SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | names.SSL_MODE_RELEASE_BUFFERS, NULL)
        api.SSL_CTX_ctrl(self.context, names.SSL_CTRL_SET_READ_AHEAD, 1, NULL)
        api.SSL_CTX_set_verify(self.context, self.verify, NULL)
        self.show(certificate, key, key_password)
        self.trust(authorities, authorities_folder, common_authorities)
        self.choose(ciphers, ciphersuites)
        if accepting:
            self.resume(sessions, session_seconds)
            self.exchange_keys(dh_parameters)

    def __dealloc__(self):
        if self.context != NULL:
            openssl().SSL_CTX_free(self.context)

    def show(self, str certificate, str key, str password) -> None:
        """Who we are."""
        cdef Api* api = openssl()
        cdef bytes secret = password.encode()
        cdef c_tm end
        if not certificate:
            return
        if password:
            api.SSL_CTX_set_default_passwd_cb_userdata(self.context, <char*>secret)
        api.SSL_CTX_set_default_passwd_cb(self.context, key_password)
        if api.SSL_CTX_use_certificate_chain_file(self.context, os.fsencode(certificate)) <= 0:
            raise TlsError(f"Failed to load certificate: {certificate}: {last_error()}")
        if api.SSL_CTX_use_PrivateKey_file(self.context, os.fsencode(key), names.SSL_FILETYPE_PEM) <= 0:
            raise TlsError(f"Failed to load private key: {key}: {last_error()}")
        api.SSL_CTX_set_default_passwd_cb_userdata(self.context, NULL)
        self.quick = 0 < key_bits(api, api.SSL_CTX_get0_privatekey(self.context)) <= QUICK_BITS
        memset(&end, 0, sizeof(c_tm))
        if api.ASN1_TIME_to_tm(api.X509_get0_notAfter(api.SSL_CTX_get0_certificate(self.context)), &end):
            from calendar import timegm

            self.expires = timegm((end.tm_year + 1900, end.tm_mon + 1, end.tm_mday, end.tm_hour, end.tm_min, end.tm_sec))

    def trust(self, str authorities, str folder, bint common) -> None:
        """Whose word counts."""
        cdef bytes path = os.fsencode(authorities)
        cdef bytes within = os.fsencode(folder)
        if (authorities or folder) and openssl().SSL_CTX_load_verify_locations(
                self.context, <char*>path if authorities else NULL, <char*>within if folder else NULL) <= 0:
            raise TlsError(f"Failed to configure CA certificate(s) file/directory: {last_error()}")
        if common and not authorities and not folder:
            openssl().SSL_CTX_set_default_verify_paths(self.context)

    def choose(self, str ciphers, str ciphersuites) -> None:
        """How it is enciphered."""
        if ciphers and not openssl().SSL_CTX_set_cipher_list(self.context, ciphers.encode()):
            raise TlsError(f"Failed to configure ciphers: {ciphers}")
        if ciphersuites and not openssl().SSL_CTX_set_ciphersuites(self.context, ciphersuites.encode()):
            raise TlsError(f"Failed to configure ciphersuites: {ciphersuites}")

    def resume(self, long sessions, long seconds) -> None:
        """Whether a handshake may be a short one. Of TLS 1.3 one ticket is enough, which a short handshake renews: each more
        is a twentieth of the handshake's work, for clients that as a rule throw it away."""
        cdef Api* api = openssl()
        api.SSL_CTX_set_num_tickets(self.context, 1 if seconds else 0)
        api.SSL_CTX_ctrl(self.context, names.SSL_CTRL_SET_SESS_CACHE_MODE,
                         names.SSL_SESS_CACHE_SERVER if seconds else names.SSL_SESS_CACHE_OFF, NULL)
        if not seconds:
            api.SSL_CTX_set_options(self.context, names.SSL_OP_NO_TICKET)      # those of TLS 1.2
        else:
            api.SSL_CTX_ctrl(self.context, names.SSL_CTRL_SET_SESS_CACHE_SIZE, sessions, NULL)
            api.SSL_CTX_set_timeout(self.context, seconds)
            api.SSL_CTX_set_session_id_context(self.context, <const unsigned char*>b"redis", 5)

    def exchange_keys(self, str path) -> None:
        """Diffie-Hellman, for old ciphers."""
        cdef Api* api = openssl()
        cdef void* bio
        cdef void* parameters
        if not path:
            api.SSL_CTX_ctrl(self.context, names.SSL_CTRL_SET_DH_AUTO, 1, NULL)
            return
        bio = api.BIO_new_file(os.fsencode(path), "r")
        if bio == NULL:
            raise TlsError(f"Failed to load {path}: {last_error()}")
        parameters = api.PEM_read_bio_DHparams(bio, NULL, NULL, NULL) if api.PEM_read_bio_DHparams != NULL else NULL
        api.BIO_free(bio)
        if parameters == NULL:
            raise TlsError(f"{path}: failed to read DH params.")
        well = api.SSL_CTX_ctrl(self.context, names.SSL_CTRL_SET_TMP_DH, 0, parameters) > 0
        if api.DH_free != NULL:
            api.DH_free(parameters)
        if not well:
            raise TlsError(f"Failed to load DH params file: {path}: {last_error()}")

    cdef void* state(self, bytes host) noexcept:
        return tls_state(self.context, self.accepting, host)


cdef void* tls_state(void* context, bint accepting, const char* host) noexcept nogil:
    """Of a new connection. host: which server we want, where one machine is many; "": do not say."""
    cdef Api* api = openssl()
    cdef TlsState* t = <TlsState*>calloc(1, sizeof(TlsState))
    cdef void* bio
    if t == NULL:
        return NULL
    t.ssl = api.SSL_new(context)
    bio = api.BIO_new(_method)
    if t.ssl == NULL or bio == NULL:
        api.SSL_free(t.ssl)
        api.BIO_free(bio)
        free(t)
        return NULL
    api.BIO_set_data(bio, t)
    api.BIO_set_init(bio, 1)
    api.SSL_set_bio(t.ssl, bio, bio)
    if accepting:
        api.SSL_set_accept_state(t.ssl)
    else:
        api.SSL_set_connect_state(t.ssl)
        if host != NULL and host[0] != 0:
            api.SSL_ctrl(t.ssl, names.SSL_CTRL_SET_TLSEXT_HOSTNAME, 0, <void*>host)
    return t


cdef uint64_t refused_protocols(str wanted) except? 0:
    """The options that leave out what is not wanted."""
    cdef uint64_t refused = 0
    words = wanted.lower().split() or ["tlsv1.2", "tlsv1.3"]
    for word in words:
        if word not in PROTOCOLS:
            raise TlsError("Invalid tls-protocols specified. Use a combination of 'TLSv1', 'TLSv1.1', 'TLSv1.2' and "
                           "'TLSv1.3'.")
    for word, option in PROTOCOLS.items():
        if word not in words:
            refused |= <uint64_t>option
    return refused
