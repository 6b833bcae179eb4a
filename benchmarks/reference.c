/* The yardstick: how fast a plain C program over OpenSSL verifies TCP-AO in a capture, and nothing else.
 *
 *     cc -O2 reference.c -lcrypto -o reference
 *     ./reference CAPTURE.pcap KEYS.txt
 *
 * It reads a little-endian pcap file of Ethernet frames into memory, walks the records, parses Ethernet, IPv4 or IPv6,
 * TCP and the options, finds the connection in a hash table, takes the ISNs from SYN and SYN-ACK, derives traffic keys
 * (RFC 5926), keeps the SNE of each direction by nearness, and compares MACs. It reports counts, not segments; it does
 * no fragments, no tunnels, no pcapng, no guessing. Its time is what the task costs at least.
 *
 * Each traffic key is one HMAC_CTX or CMAC_CTX, keyed once and rewound for each segment, which is the quickest way that
 * libcrypto offers without building HMAC by hand (copying the context for each segment takes a twelfth longer).
 *
 * KEYS.txt has one line per key: ALGORITHM MAC-LENGTH include|exclude KEYID KEYID SECRET-HEX, where ALGORITHM is
 * hmac-sha-1-96 or aes-128-cmac-96 and either KeyID selects the key, whatever the addresses.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* HMAC_CTX and CMAC_CTX are quicker than EVP_MAC in OpenSSL 3. */
#include <openssl/cmac.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_KEYS = 16, FLAG_SYN = 0x02, FLAG_ACK = 0x10, MAX_SEGMENT = 65536 };

struct master_key {
    int is_cmac, mac_length, include_options;
    unsigned key_ids[2];
    unsigned char secret[256];
    size_t secret_length;
};

struct traffic_key {
    HMAC_CTX *hmac;
    CMAC_CTX *cmac;
};

struct direction {
    uint32_t isn;
    int isn_known, position_known;
    int64_t position; /* of the latest verified segment, in the endless sequence space */
    struct traffic_key keys[MAX_KEYS];
};

struct connection {
    unsigned char socket_pair[40]; /* both ends' address and port, the smaller end first; last the address's length */
    struct direction directions[2];
    struct connection *next_in_bucket;
};

static struct master_key master_keys[MAX_KEYS];
static int master_key_count;
static int key_of_id[256];

enum { BUCKETS = 1 << 16 };
static struct connection *buckets[BUCKETS];

static struct {
    uint64_t frames, tcp_segments, ao_segments, verified, mismatch, no_key, isn_unknown;
} counts;

static void fail(const char *what, const char *which)
{
    fprintf(stderr, "reference: %s: %s\n", which, what);
    exit(2);
}

static uint16_t read16(const unsigned char *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static uint32_t read32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static void write32(unsigned char *p, uint32_t value)
{
    p[0] = value >> 24, p[1] = value >> 16, p[2] = value >> 8, p[3] = value;
}
static uint32_t read_little32(const unsigned char *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static void read_keys(const char *path)
{
    FILE *file = fopen(path, "r");
    char algorithm[64], options[16], secret_hex[520];
    unsigned mac_length, first_id, second_id;
    if (!file)
        fail("cannot be opened", path);
    memset(key_of_id, -1, sizeof key_of_id);
    while (fscanf(file, "%63s %u %15s %u %u %519s", algorithm, &mac_length, options, &first_id, &second_id, secret_hex) ==
           6) {
        struct master_key *key = &master_keys[master_key_count];
        if (master_key_count == MAX_KEYS || first_id > 255 || second_id > 255 || mac_length > 20)
            fail("has more keys or larger numbers than this program takes", path);
        key->is_cmac = strcmp(algorithm, "aes-128-cmac-96") == 0;
        if (!key->is_cmac && strcmp(algorithm, "hmac-sha-1-96") != 0)
            fail("names an algorithm that this program does not know", path);
        key->mac_length = (int)mac_length;
        key->include_options = strcmp(options, "include") == 0;
        key->secret_length = strlen(secret_hex) / 2;
        for (size_t i = 0; i < key->secret_length; i++)
            sscanf(secret_hex + 2 * i, "%2hhx", &key->secret[i]);
        key_of_id[first_id] = key_of_id[second_id] = master_key_count++;
    }
    fclose(file);
}

static void cmac_once(const unsigned char *key, const unsigned char *message, size_t length, unsigned char *out)
{
    CMAC_CTX *context = CMAC_CTX_new();
    size_t out_length;
    CMAC_Init(context, key, 16, EVP_aes_128_cbc(), NULL);
    CMAC_Update(context, message, length);
    CMAC_Final(context, out, &out_length);
    CMAC_CTX_free(context);
}

/* RFC 5926 3.1.1: i || "TCP-AO" || context || output length in bits. */
static struct traffic_key derive(const struct master_key *master, const unsigned char *addresses, size_t address_octets,
                                 const unsigned char *ports, uint32_t source_isn, uint32_t destination_isn)
{
    unsigned char input[64] = "\x01TCP-AO", out[EVP_MAX_MD_SIZE];
    size_t length = 7;
    struct traffic_key key = {NULL, NULL};
    memcpy(input + length, addresses, address_octets), length += address_octets;
    memcpy(input + length, ports, 4), length += 4;
    write32(input + length, source_isn), length += 4;
    write32(input + length, destination_isn), length += 4;
    input[length++] = 0;
    input[length++] = master->is_cmac ? 128 : 160;
    if (master->is_cmac) {
        unsigned char aes_key[16];
        static const unsigned char zeros[16];
        if (master->secret_length == 16)
            memcpy(aes_key, master->secret, 16);
        else
            cmac_once(zeros, master->secret, master->secret_length, aes_key);
        cmac_once(aes_key, input, length, out);
        key.cmac = CMAC_CTX_new();
        CMAC_Init(key.cmac, out, 16, EVP_aes_128_cbc(), NULL);
    } else {
        unsigned out_length;
        HMAC(EVP_sha1(), master->secret, (int)master->secret_length, input, length, out, &out_length);
        key.hmac = HMAC_CTX_new();
        HMAC_Init_ex(key.hmac, out, (int)out_length, EVP_sha1(), NULL);
    }
    return key;
}

static void forget(struct traffic_key *key)
{
    HMAC_CTX_free(key->hmac);
    CMAC_CTX_free(key->cmac);
    key->hmac = NULL, key->cmac = NULL;
}

static void compute_mac(const struct traffic_key *key, const unsigned char *message, size_t length, unsigned char *out)
{
    if (key->hmac) {
        unsigned out_length;
        HMAC_Init_ex(key->hmac, NULL, 0, NULL, NULL);
        HMAC_Update(key->hmac, message, length);
        HMAC_Final(key->hmac, out, &out_length);
    } else {
        size_t out_length;
        CMAC_Init(key->cmac, NULL, 0, NULL, NULL);
        CMAC_Update(key->cmac, message, length);
        CMAC_Final(key->cmac, out, &out_length);
    }
}

/* The connection of a socket pair, and which of its two directions this segment goes. */
static struct connection *find_connection(const unsigned char *addresses, size_t address_length,
                                          const unsigned char *ports, int *direction)
{
    unsigned char ends[2][18], socket_pair[40] = {0};
    uint64_t hash = 14695981039346656037u, word;
    struct connection *connection;
    size_t end_length = address_length + 2, i;
    for (i = 0; i < 2; i++) {
        memcpy(ends[i], addresses + i * address_length, address_length);
        memcpy(ends[i] + address_length, ports + 2 * i, 2);
    }
    *direction = memcmp(ends[0], ends[1], end_length) > 0;
    memcpy(socket_pair, ends[*direction], end_length);
    memcpy(socket_pair + end_length, ends[!*direction], end_length);
    socket_pair[39] = (unsigned char)address_length;
    for (i = 0; i < 2 * end_length; i += 8) {
        memcpy(&word, socket_pair + i, 8);
        hash = (hash ^ word) * 1099511628211u;
        hash ^= hash >> 29;
    }
    hash ^= hash >> 32;
    for (connection = buckets[hash % BUCKETS]; connection; connection = connection->next_in_bucket)
        if (memcmp(connection->socket_pair, socket_pair, sizeof socket_pair) == 0)
            return connection;
    connection = calloc(1, sizeof *connection);
    if (!connection)
        fail("no memory for another connection", "table");
    memcpy(connection->socket_pair, socket_pair, sizeof socket_pair);
    connection->next_in_bucket = buckets[hash % BUCKETS];
    buckets[hash % BUCKETS] = connection;
    return connection;
}

/* RFC 5925 5.1: SNE, pseudo-header, header with checksum and MAC zeroed, payload. Returns the length. */
static size_t assemble(unsigned char *message, uint32_t sne, const unsigned char *addresses, size_t address_length,
                       const unsigned char *segment, size_t segment_length, size_t option, int include_options)
{
    unsigned char *p = message;
    size_t header_length = (segment[12] >> 4) * 4u, option_length = segment[option + 1];
    write32(p, sne), p += 4;
    memcpy(p, addresses, 2 * address_length), p += 2 * address_length;
    if (address_length == 4)
        write32(p, 6u << 16 | (uint32_t)segment_length), p += 4;
    else
        write32(p, (uint32_t)segment_length), write32(p + 4, 6), p += 8;
    if (include_options) {
        memcpy(p, segment, segment_length);
        memset(p + option + 4, 0, option_length - 4);
    } else {
        memcpy(p, segment, 20);
        memcpy(p + 20, segment + option, 4);
        memset(p + 24, 0, option_length - 4);
        memcpy(p + 20 + option_length, segment + header_length, segment_length - header_length);
        segment_length -= header_length - 20 - option_length;
    }
    memset(p + 16, 0, 2);
    return (size_t)(p - message) + segment_length;
}

static void learn_isns(struct connection *connection, int direction, uint32_t seq, uint32_t ack, int has_ack)
{
    struct direction *sender = &connection->directions[direction], *receiver = &connection->directions[!direction];
    if (sender->isn_known && sender->isn == seq && (!has_ack || receiver->isn_known))
        return;
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < master_key_count; k++)
            forget(&connection->directions[i].keys[k]);
    *sender = (struct direction){.isn = seq, .isn_known = 1, .position_known = 1, .position = seq};
    if (has_ack)
        *receiver = (struct direction){.isn = ack - 1, .isn_known = 1, .position_known = 1, .position = ack - 1};
    else
        receiver->isn_known = 0;
}

static void check_segment(const unsigned char *addresses, size_t address_length, const unsigned char *segment,
                          size_t segment_length, size_t option)
{
    static unsigned char message[MAX_SEGMENT + 64];
    unsigned char mac[EVP_MAX_MD_SIZE];
    uint32_t seq = read32(segment + 4), ack = read32(segment + 8);
    int has_ack = segment[13] & FLAG_ACK, is_syn = segment[13] & FLAG_SYN, direction;
    int key_index = key_of_id[segment[option + 2]];
    const struct master_key *master = &master_keys[key_index];
    struct connection *connection = find_connection(addresses, address_length, segment, &direction);
    struct direction *sender = &connection->directions[direction], *receiver = &connection->directions[!direction];
    struct traffic_key syn_key = {NULL, NULL}, *key = &sender->keys[key_index < 0 ? 0 : key_index];
    int64_t position;
    size_t length;

    if (is_syn)
        learn_isns(connection, direction, seq, ack, has_ack);
    if (key_index < 0) {
        counts.no_key++;
        return;
    }
    if (is_syn && !has_ack) {
        syn_key = derive(master, addresses, 2 * address_length, segment, seq, 0);
        key = &syn_key;
    } else if (!sender->isn_known || !receiver->isn_known) {
        counts.isn_unknown++;
        return;
    } else if (!key->hmac && !key->cmac) {
        *key = derive(master, addresses, 2 * address_length, segment, sender->isn, receiver->isn);
    }
    position = sender->position + (int32_t)(seq - (uint32_t)sender->position);
    length = assemble(message, (uint32_t)(position >> 32), addresses, address_length, segment, segment_length, option,
                      master->include_options);
    compute_mac(key, message, length, mac);
    if (segment[option + 1] == 4 + master->mac_length &&
        CRYPTO_memcmp(mac, segment + option + 4, (size_t)master->mac_length) == 0) {
        counts.verified++;
        sender->position = position;
    } else {
        counts.mismatch++;
    }
    forget(&syn_key);
}

/* Where the AO option starts, or 0. */
static size_t find_ao_option(const unsigned char *segment, size_t header_length)
{
    size_t position = 20;
    while (position + 1 < header_length && segment[position] != 0) {
        if (segment[position] == 1) {
            position++;
            continue;
        }
        if (segment[position + 1] < 2 || position + segment[position + 1] > header_length)
            return 0;
        if (segment[position] == 29)
            return segment[position + 1] >= 4 ? position : 0;
        position += segment[position + 1];
    }
    return 0;
}

static void read_frame(const unsigned char *frame, size_t length)
{
    const unsigned char *network = frame + 14, *segment, *addresses;
    size_t address_length, segment_length, header_length, option;
    if (length < 34)
        return;
    if (read16(frame + 12) == 0x0800) {
        size_t network_length = (network[0] & 15) * 4u, total_length = read16(network + 2);
        if (network[9] != 6 || read16(network + 6) & 0x3fff || total_length > length - 14 || total_length < network_length)
            return;
        segment = network + network_length, segment_length = total_length - network_length;
        addresses = network + 12, address_length = 4;
    } else if (read16(frame + 12) == 0x86dd && length >= 54) {
        segment = network + 40, segment_length = read16(network + 4);
        addresses = network + 8, address_length = 16;
        if (network[6] != 6 || segment_length > length - 54)
            return;
    } else {
        return;
    }
    if (segment_length < 20)
        return;
    header_length = (segment[12] >> 4) * 4u;
    if (header_length < 20 || header_length > segment_length)
        return;
    counts.tcp_segments++;
    option = find_ao_option(segment, header_length);
    if (option) {
        counts.ao_segments++;
        check_segment(addresses, address_length, segment, segment_length, option);
    }
}

static unsigned char *read_whole(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    unsigned char *octets;
    if (!file || fseek(file, 0, SEEK_END) != 0)
        fail("cannot be opened", path);
    *length = (size_t)ftell(file);
    rewind(file);
    octets = malloc(*length + 1);
    if (!octets || fread(octets, 1, *length, file) != *length)
        fail("cannot be read", path);
    fclose(file);
    return octets;
}

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
    size_t length, position;
    unsigned char *octets;
    double start = cpu_seconds(), read_done;
    if (argc < 3)
        fail("usage: reference CAPTURE.pcap KEYS.txt", "arguments");
    read_keys(argv[2]);
    octets = read_whole(argv[1], &length);
    read_done = cpu_seconds();
    if (length < 24 || (read_little32(octets) != 0xa1b2c3d4 && read_little32(octets) != 0xa1b23c4d) ||
        read_little32(octets + 20) != 1)
        fail("is not a little-endian pcap file of Ethernet frames", argv[1]);
    for (position = 24; position + 16 <= length;) {
        size_t captured = read_little32(octets + position + 8);
        position += 16;
        if (captured > length - position)
            break;
        counts.frames++;
        read_frame(octets + position, captured);
        position += captured;
    }
    printf("{\"frames\": %llu, \"tcp_segments\": %llu, \"ao_segments\": %llu, \"verified\": %llu, \"mismatch\": %llu, "
           "\"no_key\": %llu, \"unverifiable\": %llu, \"read_seconds\": %.6f, \"check_seconds\": %.6f}\n",
           (unsigned long long)counts.frames, (unsigned long long)counts.tcp_segments,
           (unsigned long long)counts.ao_segments, (unsigned long long)counts.verified,
           (unsigned long long)counts.mismatch, (unsigned long long)counts.no_key,
           (unsigned long long)counts.isn_unknown, read_done - start, cpu_seconds() - read_done);
    return 0;
}
