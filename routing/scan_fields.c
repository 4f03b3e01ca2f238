/* scan_fields.c: fields.def as tables: a field's key, kinds and privacy, and
 * the field of a key. */
#include "routing/scan_state.h"
#include "sluice/splice.h"

#define SLOTS 128 /* a power of two, and well over SL_F_COUNT */

const struct scan_field scan_fields[SL_F_COUNT] = {
#define SL_FIELD(name, key_, kinds_, private_)                                                     \
	[SL_F_##name] = { (key_), sizeof(key_) - 1, (kinds_), (private_) },
#include "sluice/fields.def"
#undef SL_FIELD
};

#define SL_FIELD(name, key, kinds, private_)                                                       \
	_Static_assert(sizeof(key) <= SCAN_KEY_MAX, "key too long for scan_key_decode");
#include "sluice/fields.def"
#undef SL_FIELD
_Static_assert(SL_F_COUNT < SLOTS / 2, "too many fields for the table");

/* Field + 1 by hash of the key, with linear probing; 0 is a free slot. */
static uint8_t slots[SLOTS];

static size_t slot_of(const char *key, size_t len)
{
	return (len * 5u + (unsigned char)key[0] * 7u + (unsigned char)key[len - 1] * 11u) % SLOTS;
}

__attribute__((constructor)) static void fill_slots(void)
{
	for (size_t f = 0; f < SL_F_COUNT; f++) {
		size_t i = slot_of(scan_fields[f].key, scan_fields[f].len);

		while (slots[i])
			i = (i + 1) % SLOTS;
		slots[i] = (uint8_t)(f + 1);
	}
}

enum sl_field scan_field_find(const char *key, size_t len)
{
	if (len == 0 || len >= SCAN_KEY_MAX)
		return SL_F_COUNT;
	for (size_t i = slot_of(key, len); slots[i]; i = (i + 1) % SLOTS) {
		size_t f = slots[i] - 1u;

		if (scan_fields[f].len == len && !memcmp(scan_fields[f].key, key, len))
			return (enum sl_field)f;
	}
	return SL_F_COUNT;
}

const char *sl_field_key(enum sl_field f)
{
	return scan_fields[f].key;
}

bool sl_field_private(enum sl_field f)
{
	return scan_fields[f].private;
}

static unsigned hex_digit(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a') + 10u;
}

/* The byte of the escape at raw, which the scanner has already found valid.
 * What is not ASCII becomes 0xff, which is in no key of ours. */
static char decode_escape(const char *raw, size_t *out_len)
{
	static const char plain[] = "b\bf\fn\nr\rt\t";
	unsigned value = 0;
	const char *hit;

	*out_len = 2;
	if (raw[1] != 'u') {
		hit = strchr(plain, raw[1]);
		return hit ? hit[1] : raw[1];
	}
	*out_len = 6;
	for (int i = 2; i < 6; i++)
		value = value << 4 | hex_digit(raw[i]);
	return value < 0x80 ? (char)value : (char)0xff;
}

size_t scan_key_decode(const char *raw, size_t len, char out[SCAN_KEY_MAX])
{
	size_t n = 0;
	size_t step;

	for (size_t i = 0; i < len; i += step) {
		if (n == SCAN_KEY_MAX)
			return 0;
		step = 1;
		out[n++] = raw[i] == '\\' ? decode_escape(raw + i, &step) : raw[i];
	}
	return n;
}
