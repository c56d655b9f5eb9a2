/*
 * pam_probe.c - a program that opens and closes a PAM session and looks at what that did to it.
 *
 * usage: pam_probe [--HARDSHIP…] SERVICE USER STEP…
 *        pam_probe --dlopen FILE    (print "loaded", or why not)
 *
 * Steps: open, close, silent-open (PAM_SILENT), child-close (by a forked child), set=NAME=VALUE (in the PAM
 * environment), and wait (until standard input ends). Of each but the last one line "STEP CODE", where PAM_IGNORE
 * can be told apart if the service has no other module; what the module says to the user is "says TEXT",
 * CARREL_SESSION in the PAM environment after a step "session ID". At the end "unchanged", or what of the
 * process is not as it was before the first step, and exit status 1.
 *
 * Hardships, what a program may be like when it loads a module:
 *	--low-fds        0 to 9 are closed
 *	--free-fds=N     so many descriptors can still be opened
 *	--no-fork        no more processes can be made
 *	--sigchld=ignore children are reaped by the kernel
 *	--sigchld=catch  a handler reaps every child it can find, and prints that it was called
 *	--alarms         a signal handler runs every millisecond and system calls are interrupted
 *	--blocked        every signal is blocked
 *	--umask          the umask is 0777
 *	--real-user      the real uid, the gids and the groups are those of a user, as in su
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <security/pam_appl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"

#define OUTPUT_FD 100
#define USER_ID	  64999

static volatile sig_atomic_t children_signaled;

static void on_alarm(int sig)
{
}

static void on_child(int sig)
{
	int saved = errno;
	children_signaled++;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		continue;
	errno = saved;
}

/* Descriptors with what they are, in the order of /proc. */
static void describe_descriptors(FILE *out)
{
	struct dirent *entry;
	char target[512];

	_cleanup_dir_ DIR *dir = opendir("/proc/self/fd");
	while (dir && (entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target));
		if (n > 0 && atoi(entry->d_name) != dirfd(dir)) /* NOLINT(cert-err34-c) */
			fprintf(out, "fd %s %.*s\n", entry->d_name, (int)n, target);
	}
}

static void describe_signals(FILE *out)
{
	sigset_t mask;

	sigprocmask(SIG_SETMASK, NULL, &mask);
	for (int sig = 1; sig < NSIG; sig++) {
		struct sigaction action;
		if (sigaction(sig, NULL, &action) == 0)
			fprintf(out, "signal %d %p %x %d\n", sig, (void *)action.sa_handler,
				(unsigned)action.sa_flags, sigismember(&mask, sig));
	}
}

/* Everything the module must leave as it was, as text. */
static char *describe_process(void)
{
	char path[512];
	char *text = NULL;
	size_t size = 0;
	mode_t mask = umask(0);

	umask(mask);
	FILE *out = open_memstream(&text, &size);
	if (!out)
		exit(2);
	describe_descriptors(out);
	describe_signals(out);
	fprintf(out, "umask %03o\ncwd %s\n", mask, getcwd(path, sizeof(path)));
	for (char **e = environ; *e; e++)
		fprintf(out, "env %s\n", *e);
	ssize_t n = readlink("/proc/thread-self/ns/net", path, sizeof(path));
	fprintf(out, "netns %.*s\n", (int)(n < 0 ? 0 : n), path);
	fprintf(out, "ids %d %d %d %d sid %d\n", getuid(), geteuid(), getgid(), getegid(), getsid(0));
	fprintf(out, "child %s\n", waitpid(-1, NULL, WNOHANG | __WALL) < 0 && errno == ECHILD ? "no" : "yes");
	fprintf(out, "sigchld %d\n", (int)children_signaled);
	fclose(out);
	return text;
}

/* The lines of `text` that `other` has not. */
static void print_difference(const char *sign, const char *text, const char *other)
{
	char line[1024];

	for (const char *end; (end = strchr(text, '\n')); text = end + 1) {
		snprintf(line, sizeof(line), "%.*s", (int)(end - text + 1), text);
		if (!strstr(other, line))
			dprintf(OUTPUT_FD, "%s %s", sign, line);
	}
}

static int converse(int count, const struct pam_message **messages, struct pam_response **responses,
		    void *data)
{
	*responses = calloc((size_t)count, sizeof(**responses));
	if (!*responses)
		return PAM_BUF_ERR;
	for (int i = 0; i < count; i++)
		dprintf(OUTPUT_FD, "says %s\n", messages[i]->msg);
	return PAM_SUCCESS;
}

static void handle_signal(int sig, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler };
	sigaction(sig, &action, NULL);
}

static void leave_free_fds(int count)
{
	const struct rlimit limit = { .rlim_cur = OUTPUT_FD + 1, .rlim_max = OUTPUT_FD + 1 };

	setrlimit(RLIMIT_NOFILE, &limit);
	while (dup(OUTPUT_FD) >= 0)
		continue;
	for (int fd = OUTPUT_FD - 1; count > 0; fd--, count--)
		close(fd);
}

/* Not by a limit, which root does not have: clone and clone3 fail. */
static void forbid_fork(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = ARRAY_SIZE(code), .filter = code };

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		exit(2);
}

static void suffer(const char *hardship)
{
	static const gid_t groups[] = { USER_ID };
	struct itimerval every_ms = { .it_interval = { .tv_usec = 1000 }, .it_value = { .tv_usec = 1000 } };
	sigset_t all;

	if (strcmp(hardship, "--low-fds") == 0) {
		for (int fd = 0; fd < 10; fd++)
			close(fd);
	} else if (strcmp(hardship, "--sigchld=ignore") == 0) {
		handle_signal(SIGCHLD, SIG_IGN);
	} else if (strcmp(hardship, "--sigchld=catch") == 0) {
		handle_signal(SIGCHLD, on_child);
	} else if (strcmp(hardship, "--alarms") == 0) {
		handle_signal(SIGALRM, on_alarm);
		setitimer(ITIMER_REAL, &every_ms, NULL);
	} else if (strcmp(hardship, "--blocked") == 0) {
		sigfillset(&all);
		sigprocmask(SIG_SETMASK, &all, NULL);
	} else if (strcmp(hardship, "--umask") == 0) {
		umask(0777);
	} else if (strcmp(hardship, "--real-user") == 0) {
		if (setgroups(1, groups) < 0 || setresgid(USER_ID, USER_ID, USER_ID) < 0 ||
		    setresuid(USER_ID, 0, 0) < 0)
			exit(2);
	} else if (strncmp(hardship, "--free-fds=", 11) == 0) {
		leave_free_fds((int)strtol(hardship + 11, NULL, 10));
	} else if (strcmp(hardship, "--no-fork") == 0) {
		forbid_fork();
	} else {
		dprintf(OUTPUT_FD, "unknown hardship %s\n", hardship);
		exit(2);
	}
}

static const char *code_name(int code)
{
	switch (code) {
	case PAM_SUCCESS:
		return "PAM_SUCCESS";
	case PAM_SESSION_ERR:
		return "PAM_SESSION_ERR";
	case PAM_PERM_DENIED:
		return "PAM_IGNORE"; /* what libpam makes of it when no other module says anything */
	default:
		return "another code";
	}
}

static int close_in_child(pam_handle_t *pamh)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(pam_close_session(pamh, 0));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void take_step(pam_handle_t *pamh, const char *step)
{
	int code = -1;
	char byte;

	if (strcmp(step, "wait") == 0) {
		while (read(0, &byte, 1) > 0)
			continue;
		return;
	}
	if (strcmp(step, "open") == 0)
		code = pam_open_session(pamh, 0);
	else if (strcmp(step, "silent-open") == 0)
		code = pam_open_session(pamh, PAM_SILENT);
	else if (strcmp(step, "close") == 0)
		code = pam_close_session(pamh, 0);
	else if (strcmp(step, "child-close") == 0)
		code = close_in_child(pamh);
	else if (strncmp(step, "set=", 4) == 0)
		code = pam_putenv(pamh, step + 4);
	dprintf(OUTPUT_FD, "%s %s\n", step, code_name(code));
	const char *id = pam_getenv(pamh, "CARREL_SESSION");
	if (id)
		dprintf(OUTPUT_FD, "session %s\n", id);
}

static int load(const char *file)
{
	bool loaded = dlopen(file, RTLD_NOW) != NULL;

	puts(loaded ? "loaded" : dlerror());
	return !loaded;
}

int main(int argc, char **argv)
{
	const struct pam_conv conversation = { .conv = converse };
	pam_handle_t *pamh = NULL;
	int first = 1;

	if (argc == 3 && strcmp(argv[1], "--dlopen") == 0)
		return load(argv[2]);
	if (dup2(1, OUTPUT_FD) < 0)
		return 2;
	while (first < argc && strncmp(argv[first], "--", 2) == 0)
		first++;
	if (argc - first < 3 || pam_start(argv[first], argv[first + 1], &conversation, &pamh) != PAM_SUCCESS)
		return 2;
	for (int i = 1; i < first; i++)
		suffer(argv[i]);
	_cleanup_free_ char *before = describe_process();
	for (int i = first + 2; i < argc; i++)
		take_step(pamh, argv[i]);
	_cleanup_free_ char *after = describe_process();
	bool same = strcmp(before, after) == 0;
	if (same)
		dprintf(OUTPUT_FD, "unchanged\n");
	print_difference("-", before, after);
	print_difference("+", after, before);
	pam_end(pamh, PAM_SUCCESS);
	return !same;
}
