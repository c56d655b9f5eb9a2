/*
 * paths.h - where things are. The build sets the SYSCONFDIR and LIBEXECDIR ones.
 */
#ifndef CARREL_PATHS_H
#define CARREL_PATHS_H

#ifndef CARREL_VERSION
#define CARREL_VERSION "0.0.0"
#endif
#ifndef CARREL_SYSCONFDIR
#define CARREL_SYSCONFDIR "/etc"
#endif
#ifndef CARREL_LIBEXECDIR
#define CARREL_LIBEXECDIR "/usr/local/libexec"
#endif
#ifndef CARREL_BINDIR
#define CARREL_BINDIR "/usr/local/bin"
#endif

#ifndef CARREL_PAMDIR
#define CARREL_PAMDIR "/usr/lib/security"
#endif

#define CARREL_CONF   CARREL_SYSCONFDIR "/carrel/carrel.conf"
#define CARREL_KEEPER CARREL_LIBEXECDIR "/carrel/carrel-keeper"
#define CARREL_SHELL  CARREL_BINDIR "/carrel-shell"

#define CARREL_STATE_DIR "/var/lib/carrel"	       /* 0700 root */
#define CARREL_IMAGES	 CARREL_STATE_DIR "/images"    /* NAME/{rootfs,manifest} */
#define CARREL_DOWNLOADS CARREL_STATE_DIR "/downloads" /* what `image fetch` has so far */
#define CARREL_USERS	 CARREL_STATE_DIR "/users"     /* UID/{upper,work,home,owner,image} */
#define CARREL_FAULTS	 CARREL_STATE_DIR "/faults"    /* 0700, UID and UID.old: see faults.h */

#define CARREL_RUN_DIR	 "/run/carrel"		     /* 0711 root, a private tmpfs */
#define CARREL_SESSIONS	 CARREL_RUN_DIR "/sessions"  /* 0711, ID/{record,socket,control,ended,reported} */
#define CARREL_OVERRIDES CARREL_RUN_DIR "/overrides" /* 0700, UID: what `carrelctl set` changed; applied */
#define CARREL_NS_DIR	 CARREL_RUN_DIR "/ns"	     /* 0700, {vault,template}: pinned namespaces */

#endif
