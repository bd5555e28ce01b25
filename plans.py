from dreamlab.picturebook.train import *
from dataclasses import replace
TEXT={"context_length":CONTEXT,"width":160,"heads":5,"layers":2}
DREAMER=Plan({"image_size":64,"patch_size":8,"width":192,"layers":4,"head_width":48,"pool_type":"avg"},seed=11,steps=12000,batch=64,gradient=True,scenes=60_000,many_hands=False,learning_rate=1.2e-3,embed_dim=160,text_cfg=TEXT)
