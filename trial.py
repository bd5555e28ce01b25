import sys,time,torch,json
sys.path.insert(0,"/work/build")
torch.set_num_threads(1)
from plans import *
from dreamlab.precision import Precision
from dreamlab.picturebook.probe import probe_scenes, drawn, in_pieces
from dreamlab.picturebook.world import variants, caption
from dreamlab.picturebook.scenes import tokens, paintings
from dreamlab.picturebook.objectives import alignment_loss
def evaluate(run, data):
    m=run.averaged()
    st=run.student
    old, st.model = st.model, m
    order, st.glimpse.order = st.glimpse.order, None
    scenes=probe_scenes(8)
    pics=resize64(drawn(scenes,size=64))
    caps=[caption(x) for x in scenes]
    texts=[list(variants(c).values()) for c in caps]
    uniq=sorted({t for x in texts for t in x}); idx={t:i for i,t in enumerate(uniq)}
    with torch.no_grad():
        im=st.image(pics); tx=torch.cat([st.text(tokens(uniq[i:i+200])) for i in range(0,len(uniq),200)])
    hit=0
    for i,names in enumerate(texts):
        c=tx[[idx[t] for t in names]]@im[i]
        hit+= names[int(c.argmax())]==caps[i]
    # alignment on unseen randomness
    b,g=load_batch(data,run.plan,10**6,torch.device("cpu"))
    cl,ow=drawings(b,g); sp,kept=spoil(cl,run.plan.noise,g); sp.requires_grad_()
    cos=(st.image(sp)*st.text(b.complete)).sum(-1)
    (gr,)=torch.autograd.grad(cos.sum(),sp)
    w=cl-sp.detach()
    al=F.cosine_similarity(gr.flatten(1),w.flatten(1)).mean().item()
    th=F.max_pool2d(1-ow[:,:1],5,1,2)
    alt=F.cosine_similarity((gr*th).flatten(1),(w*th).flatten(1)).mean().item()
    st.model=old; st.glimpse.order=order
    return hit/len(scenes), al, alt
def resize64(p): return p
if __name__=="__main__":
    name,secs=sys.argv[1],float(sys.argv[2])
    kw=json.loads(sys.argv[3])
    plan=replace(DREAMER,scenes=12000,**kw)
    data=paintings(11,12000,False,Path("/work/build/trial"),1)
    run=Run(plan,torch.device("cpu"),Precision("float32",1,"cpu"))
    t=time.time(); nxt=60; acc={}
    n=0
    while run.step*plan.batch<secs:
        l=run.advance(data); n+=1
        for k,v in l.items(): acc[k]=acc.get(k,0)+v
        if time.time()-t>nxt:
            print(name,int(time.time()-t),run.step*plan.batch,{k:round(v/n,3) for k,v in acc.items()},flush=True); acc={};n=0;nxt+=60
    print(name,"END",run.step*plan.batch,evaluate(run,data),flush=True)
