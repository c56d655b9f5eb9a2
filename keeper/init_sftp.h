/*
 * init_sftp.h - sftp and scp inside the sandbox, whatever path of the host sshd asks for.
 */
#ifndef CARREL_INIT_SFTP_H
#define CARREL_INIT_SFTP_H

#include <stddef.h>

/* Where an image import puts the host's own sftp-server and scp when the image has none. */
#define SFTP_BUNDLE_BIN "/usr/lib/carrel/bin"

/*
 * If `command` (of "sh -c") starts sshd's sftp subsystem - the path of the host's distribution, of another one, or
 * "internal-sftp", which sshd hands to a ForceCommand - write it to buf with the sftp-server of the rootfs instead,
 * its arguments kept. Run by init after the pivot. 1: written; 0: some other command; -ENOENT: there is no
 * sftp-server in the rootfs; -ENAMETOOLONG.
 */
int sftp_command(const char *command, char *buf, size_t size);

#endif
