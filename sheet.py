"""args: model-folder out.png [recipe kwargs dict]: the 25 captions of the blind sheet, judged and drawn."""
import sys, os, re, numpy as np, torch, torch.nn.functional as F
torch.set_num_threads(int(os.environ.get('T','1')))
import dreamlab
from dreamlab import Dream, Recipe
from dreamlab.picturebook.world import OBJECTS
from PIL import Image, ImageDraw
m,out=sys.argv[1:3]; kw=eval(sys.argv[3]) if len(sys.argv)>3 else {}
caps=[l.split('|')[1:] for l in open('/work/shared/evidence/key.txt') if re.match(r'\d+ \|',l)]
caps=[(a.strip(),b.strip()) for a,b in caps]
d=dreamlab.load_clip(m if m.startswith('picture') else 'local-dir:'+m); j=dreamlab.load_clip('picturebook-judge')
from dreamlab.picturebook.world import variants
S=128; sheet=Image.new('RGB',(5*(S+12)+12,5*(S+30)+12),'white'); dr=ImageDraw.Draw(sheet); hit=0; named=[]
for i,(o,c) in enumerate(caps):
    D=Dream(d,c,seed=900+i,recipe=Recipe(**kw)); D.run(); im=D.image
    x=torch.from_numpy(np.array(im.convert('RGB'))).permute(2,0,1)[None].float()/255
    with torch.no_grad(): s=(j.encode_image(x)@j.encode_text([c.replace(o,q) if True else '' for q in OBJECTS]).T)[0]
    n=OBJECTS[int(s.argmax())]; named.append(n); hit+=n==o
    X=12+(i%5)*(S+12); Y=12+(i//5)*(S+30); sheet.paste(im.resize((S,S)),(X,Y)); dr.text((X+S//2-6,Y+S+4),str(i+1),fill='black')
sheet.save(out); print(m,kw,'judge',hit,'of 25',[f'{i+1}:{n}' for i,n in enumerate(named) if n==caps[i][0]],flush=True)
