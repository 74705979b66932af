//go:build amd64 || arm64

package forgetful

import (
	"context"
	"errors"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// Mounted is a disk in its place.
type Mounted struct {
	Dir    string
	server *fuse.Server
}

// Mount mounts the disk at dir, which is an empty folder. A machine that cannot, because
// this is not its administrator or its kernel has no FUSE, has the test skipped with the
// reason.
func (d *Disk) Mount(t testing.TB, dir string) *Mounted {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounting a disk that forgets is for root")
	}
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skipf("this machine has no FUSE: %v", err)
	}
	zero := time.Duration(0)
	server, err := fs.Mount(dir, &node{disk: d, inode: d.root}, &fs.Options{
		AttrTimeout: &zero, EntryTimeout: &zero, NegativeTimeout: &zero,
		MountOptions: fuse.MountOptions{DirectMountStrict: true, FsName: "forgetful", Name: "forgetful", MaxWrite: 128 << 10},
	})
	if errors.Is(err, syscall.EPERM) {
		t.Skipf("mounting is not allowed here: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return &Mounted{Dir: dir, server: server}
}

// Unmount takes it away; nobody may have a file of it open.
func (m *Mounted) Unmount() error {
	if m.server == nil {
		return nil
	}
	var err error
	for range 100 {
		if err = m.server.Unmount(); err == nil {
			m.server = nil
			return nil
		}
		time.Sleep(20 * time.Millisecond) // the kernel still closes files of a process that was killed
	}
	return err
}

// node is an inode as FUSE sees it.
type node struct {
	fs.Inode
	disk  *Disk
	inode *inode
}

var (
	_ fs.NodeGetattrer = (*node)(nil)
	_ fs.NodeSetattrer = (*node)(nil)
	_ fs.NodeLookuper  = (*node)(nil)
	_ fs.NodeReaddirer = (*node)(nil)
	_ fs.NodeCreater   = (*node)(nil)
	_ fs.NodeMkdirer   = (*node)(nil)
	_ fs.NodeMknoder   = (*node)(nil)
	_ fs.NodeUnlinker  = (*node)(nil)
	_ fs.NodeRmdirer   = (*node)(nil)
	_ fs.NodeRenamer   = (*node)(nil)
	_ fs.NodeOpener    = (*node)(nil)
	_ fs.NodeReader    = (*node)(nil)
	_ fs.NodeWriter    = (*node)(nil)
	_ fs.NodeFsyncer   = (*node)(nil)
	_ fs.NodeStatfser  = (*node)(nil)
)

func (n *node) attr(a *fuse.Attr) {
	i := n.inode
	a.Ino, a.Mode, a.Size, a.Nlink, a.Blksize = i.number, i.mode, uint64(len(i.data)), 1, 4096
	a.Uid, a.Gid = i.uid, i.gid
	a.Blocks = (a.Size + sector - 1) / sector
	a.SetTimes(nil, &i.changed, &i.changed)
}

func (n *node) child(ctx context.Context, i *inode, out *fuse.EntryOut) *fs.Inode {
	c := &node{disk: n.disk, inode: i}
	c.attr(&out.Attr)
	return n.NewInode(ctx, c, fs.StableAttr{Mode: i.mode & syscall.S_IFMT, Ino: i.number})
}

func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	n.attr(&out.Attr)
	return 0
}

func (n *node) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if size, ok := in.GetSize(); ok {
		if err := n.disk.step(OpTruncate, n.inode, ""); err != 0 {
			return err
		}
		if err := n.disk.truncate(n.inode, int64(size)); err != 0 {
			return err
		}
	}
	if mode, ok := in.GetMode(); ok {
		n.inode.mode = n.inode.mode&syscall.S_IFMT | mode&^syscall.S_IFMT
	}
	if uid, ok := in.GetUID(); ok {
		n.inode.uid = uid
	}
	if gid, ok := in.GetGID(); ok {
		n.inode.gid = gid
	}
	if at, ok := in.GetMTime(); ok {
		n.inode.changed = at
	}
	n.attr(&out.Attr)
	return 0
}

func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	i := n.inode.children[name]
	if i == nil {
		return nil, syscall.ENOENT
	}
	return n.child(ctx, i, out), 0
}

func (n *node) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if err := n.disk.step(OpRead, n.inode, ""); err != 0 {
		return nil, err
	}
	var list []fuse.DirEntry
	for name, i := range n.inode.children {
		list = append(list, fuse.DirEntry{Name: name, Mode: i.mode, Ino: i.number})
	}
	return fs.NewListDirStream(list), 0
}

func (n *node) add(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if err := n.disk.step(OpCreate, n.inode, name); err != 0 {
		return nil, err
	}
	if n.inode.children[name] != nil {
		return nil, syscall.EEXIST
	}
	i := n.disk.make(mode, n.inode, name)
	n.inode.children[name] = i
	n.inode.changed = i.changed
	return n.child(ctx, i, out), 0
}

func (n *node) Create(ctx context.Context, name string, _ uint32, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	i, err := n.add(ctx, name, syscall.S_IFREG|mode&0o7777, out)
	return i, nil, 0, err
}

func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.add(ctx, name, syscall.S_IFDIR|mode&0o7777, out)
}

func (n *node) Mknod(ctx context.Context, name string, mode, _ uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.add(ctx, name, mode, out)
}

func (n *node) Unlink(_ context.Context, name string) syscall.Errno { return n.remove(name, false) }

func (n *node) Rmdir(_ context.Context, name string) syscall.Errno { return n.remove(name, true) }

func (n *node) remove(name string, dir bool) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if err := n.disk.step(OpRemove, n.inode, name); err != 0 {
		return err
	}
	i := n.inode.children[name]
	switch {
	case i == nil:
		return syscall.ENOENT
	case dir && len(i.children) > 0:
		return syscall.ENOTEMPTY
	}
	delete(n.inode.children, name)
	n.disk.used -= int64(len(i.data))
	return 0
}

func (n *node) Rename(_ context.Context, name string, to fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	target := to.(*node).inode
	if flags != 0 {
		return syscall.EINVAL
	}
	if err := n.disk.step(OpRename, target, newName); err != 0 {
		return err
	}
	i := n.inode.children[name]
	if i == nil {
		return syscall.ENOENT
	}
	if old := target.children[newName]; old != nil && old != i {
		if len(old.children) > 0 {
			return syscall.ENOTEMPTY
		}
		n.disk.used -= int64(len(old.data))
	}
	delete(n.inode.children, name)
	target.children[newName] = i
	i.parent, i.name = target, newName
	return 0
}

func (n *node) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, 0, 0
}

func (n *node) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if err := n.disk.step(OpRead, n.inode, ""); err != 0 {
		return nil, err
	}
	if off >= int64(len(n.inode.data)) {
		return fuse.ReadResultData(nil), 0
	}
	return fuse.ReadResultData(slices.Clone(n.inode.data[off:min(off+int64(len(dest)), int64(len(n.inode.data)))])), 0
}

func (n *node) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	err := n.disk.step(OpWrite, n.inode, "")
	if err == 0 {
		err = n.disk.write(n.inode, data, off)
	}
	if err != 0 {
		return 0, err
	}
	return uint32(len(data)), 0
}

func (n *node) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if n.inode.children == nil {
		if err := n.disk.step(OpSync, n.inode, ""); err != 0 {
			return err
		}
		n.inode.sync()
		return 0
	}
	if err := n.disk.step(OpSyncDir, n.inode, ""); err != 0 {
		return err
	}
	n.inode.safe = map[string]*inode{}
	for name, i := range n.inode.children {
		n.inode.safe[name] = i
	}
	return 0
}

func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	free := uint64(max(n.disk.capacity-n.disk.used, 0))
	out.Bsize, out.Frsize, out.NameLen = 4096, 4096, 255
	out.Blocks, out.Bfree, out.Bavail = uint64(n.disk.capacity)/4096, free/4096, free/4096
	return 0
}
