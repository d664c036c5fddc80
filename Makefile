.PHONY: all clean layer

all: layer

# The content of the injected layer, in layer/rootfs.
layer:
	sh layer/build.sh

clean:
	rm -rf layer/rootfs pack/layers/*
