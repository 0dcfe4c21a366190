"""The parts of the scene generator: plan, drawing, texture, relations and captions.

A scene is planned on a grid of 250 m cells. What a cell holds is a pure function of the seed and the cell's place, so
any window can be drawn without the rest. The plan is turned and gently bent by :mod:`.warp`, so that streets are neither
straight nor parallel to the pixels. :mod:`.block` draws one block of pixels at twice its resolution; :mod:`.shading`
gives the flat colours their texture.
"""
