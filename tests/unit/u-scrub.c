/* SPDX-License-Identifier: MIT */
/* u-scrub.c - values are masked in every spelling and across every border; see run/scrub.h */
#include "run/scrub.h"

#include "tap.h"

static void masks(const struct scrub *s, const char *text, const char *want)
{
	struct buf whole = BUF_INIT, pieces = BUF_INIT;
	struct scrub_stream st;

	scrub_text(s, text, &whole);
	is_str(whole.p, want, text);
	for (size_t step = 1; step < 8; step++) {
		buf_reset(&pieces);
		scrub_stream_init(&st, s);
		for (size_t i = 0, len = strlen(text); i < len; i += step)
			scrub_feed(&st, text + i, MIN(step, len - i), &pieces);
		scrub_finish(&st, &pieces);
		if (strcmp(pieces.p, want) != 0)
			is_str(pieces.p, want, "the same in pieces of a few bytes");
	}
	buf_release(&whole);
	buf_release(&pieces);
}

static void spellings(void)
{
	struct scrub s = SCRUB_INIT;

	scrub_add(&s, "PW", "p@ss \"wörd\"/1?>~");
	masks(&s, "is p@ss \"wörd\"/1?>~ it", "is *** it");
	masks(&s, "p%40ss%20%22w%C3%B6rd%22%2F1%3F%3E~", "***");
	masks(&s, "p%40ss%20%22w%c3%b6rd%22%2f1%3f%3e~", "***");
	masks(&s, "p%40ss+%22w%C3%B6rd%22%2F1%3F%3E~.", "***.");
	masks(&s, "p%40ss%20%22w%C3%B6rd%22/1%3F%3E~", "***");
	masks(&s, "\"p@ss \\\"wörd\\\"/1?>~\"", "\"***\"");
	masks(&s, "7040737320", "7040737320");
	masks(&s, "70407373202277c3b67264222f313f3e7e", "***");
	masks(&s, "70407373202277C3B67264222F313F3E7E", "***");
	masks(&s, "cEBzcyAid8O2cmQiLzE/Pn4=", "***4=");
	masks(&s, "cEBzcyAid8O2cmQiLzE_Pn4", "***4");
	/* base64 of "a:p@ss..." and "me:p@ss...": other digits. */
	masks(&s, "YTpwQHNzICJ3w7ZyZCIvMT8+fg==", "YTp***g==");
	masks(&s, "bWU6cEBzcyAid8O2cmQiLzE/Pn4=", "bWU6***4=");
	scrub_release(&s);
}

static void neighbours(void)
{
	struct scrub s = SCRUB_INIT;

	scrub_add(&s, "A", "pass");
	scrub_add(&s, "B", "password");
	scrub_add(&s, "C", "wordy");
	scrub_add(&s, "D", " line\n");
	masks(&s, "password", "***");
	masks(&s, "passpassword passwort", "****** ***wort");
	masks(&s, "a passwordy thing", "a *** thing");
	masks(&s, "in line with", "in *** with");
	masks(&s, "pas", "pas");
	scrub_release(&s);
}

static void back_again(void)
{
	struct scrub one = SCRUB_INIT, two = SCRUB_INIT;
	struct buf b = BUF_INIT, c = BUF_INIT;

	scrub_add(&one, "A", "hunter22");
	ok(scrub_argument(&one, "-p=hunter22", &b), "an argument is masked");
	is_str(b.p, "-p=***", "with the plain mask");
	scrub_restore(&one, b.p, &c);
	is_str(c.p, "-p=hunter22", "and restored");
	scrub_add(&two, "A", "hunter22");
	scrub_add(&two, "B", "correct-horse");
	buf_reset(&b);
	scrub_argument(&two, "correct-horse:hunter22", &b);
	is_str(b.p, "***B***:***A***", "of several the mask says which");
	buf_reset(&c);
	scrub_restore(&two, b.p, &c);
	is_str(c.p, "correct-horse:hunter22", "and each is restored");
	buf_reset(&c);
	scrub_restore(&two, "***", &c);
	is_str(c.p, "***", "what names none stays");
	ok(scrub_holds(&two, "xhunter22", 9) && !scrub_holds(&two, "xhunter2", 8), "held or not");
	scrub_release(&one);
	scrub_release(&two);
	buf_release(&b);
	buf_release(&c);
}

/* As many matches as there are bytes must not cost the square of them. */
static void many(void)
{
	struct scrub s = SCRUB_INIT;
	struct buf text = BUF_INIT, out = BUF_INIT;

	scrub_add(&s, "A", "aaaa");
	for (int i = 0; i < 1000000; i++)
		buf_addch(&text, 'a');
	scrub_text(&s, text.p, &out);
	is_u64(out.len, 3, "a million bytes of values that overlap are one mask");
	scrub_release(&s);
	buf_release(&text);
	buf_release(&out);
}

int main(void)
{
	struct scrub none = SCRUB_INIT;

	spellings();
	neighbours();
	back_again();
	many();
	masks(&none, "without values nothing happens ***", "without values nothing happens ***");
	ok(scrub_too_short("abc") && scrub_too_short(" abc\n") && !scrub_too_short("abcd"),
	   "three bytes are too short");
	return done_testing();
}
