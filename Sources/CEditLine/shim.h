// libedit's line editor and history, as Swift can call them: el_set, history and setty take variable arguments, which it cannot.
// Each function here passes one form of them on, unchanged.
#ifndef CEDITLINE_SHIM_H
#define CEDITLINE_SHIM_H

#include <histedit.h>
#include <stddef.h>
#include <stdlib.h>

typedef char *(*nt_el_prompt)(EditLine *);
typedef unsigned char (*nt_el_function)(EditLine *, int);

static inline int nt_el_set_prompt(EditLine *editor, nt_el_prompt prompt) { return el_set(editor, EL_PROMPT, prompt); }
static inline int nt_el_set_editor(EditLine *editor, const char *mode) { return el_set(editor, EL_EDITOR, mode); }
static inline int nt_el_prepare_terminal(EditLine *editor) { return el_set(editor, EL_PREP_TERM, 1); }
static inline int nt_el_set_signal(EditLine *editor, int handles) { return el_set(editor, EL_SIGNAL, handles); }
// The history must be one of `nt_history_open`.
static inline int nt_el_set_history(EditLine *editor, History *list) { return el_set(editor, EL_HIST, history, list); }
// A command of the editor by this name; `help` says what it does.
static inline int nt_el_add_function(EditLine *editor, const char *name, const char *help, nt_el_function function) {
  return el_set(editor, EL_ADDFN, name, help, function);
}
static inline int nt_el_bind(EditLine *editor, const char *key, const char *name) {
  return el_set(editor, EL_BIND, key, name, NULL);
}
// Changes the terminal's mode while a line is edited: "-isig" makes Ctrl-C a key like others.
static inline int nt_el_set_edit_mode(EditLine *editor, const char *change) {
  return el_set(editor, EL_SETTY, "-d", change, NULL);
}

// The most bytes that a character takes in the locale: 4 or more where it is UTF-8. (A macro that is a call.)
static inline int nt_longest_character(void) { return (int)MB_CUR_MAX; }

// A history of at most `size` lines, without a line repeated at once; NULL without memory.
static inline History *nt_history_open(int size) {
  HistEvent event;
  History *list = history_init();
  if (list == NULL) return NULL;
  history(list, &event, H_SETSIZE, size);
  history(list, &event, H_SETUNIQUE, 1);
  return list;
}
// All of these give a negative number where they fail.
static inline int nt_history_enter(History *list, const char *line) {
  HistEvent event;
  return history(list, &event, H_ENTER, line);
}
static inline int nt_history_load(History *list, const char *path) {
  HistEvent event;
  return history(list, &event, H_LOAD, path);
}
static inline int nt_history_save(History *list, const char *path) {
  HistEvent event;
  return history(list, &event, H_SAVE, path);
}

#endif
