"""Messages of the cluster bus as real nodes sent them: redis-server 7.2.6 and 7.0.15, caught by a peer that answered.

One of the nodes of 7.2.6 announces the host name one.example and the node name first; the peer is c0ffee...abcd.
"""

from base64 import b85decode
from zlib import decompress

_PACKED = {
    "7.2.6 FAILOVER_AUTH_REQUEST": (
        "c-rmOF%AMT3<N+Q2#F4fXHYqDoLp*tfOH*A9LF7h<wrolNj!k=Jk3hmY`eGXLjaCXn3fA1V733|ZY|h2ccr9_TA#BP8<vI;m0D_z"
        "#$rs=@b%*a&N=6t+X4%t1x&G9<C;g;u9{Ln)+|^evJ9gj^6%Z{4(I9fR^AICCW`"
    ),
    "7.2.6 MEET": (
        "c-rmOJqiLr3<cn<+E}TbN6<zxe>+U=4TP<%CX*Rha8=a8+pDVxHX>N(D?%PTQfIU72w=Q`s#(GSzA7q5g;u8$U8r;7#B8lX$2FnX"
        "=qMMXh;APyAcPP?2=TY!uR^nhSv7jD^L`xmd6loRJMQwkGKK2#$F!&O<(09&8Uxo#1(RJ$XjvuWJ=)@kSqF{CF_AZp?|>LAYX"
    ),
    "7.2.6 PING": (
        "c-rmOy-EZz5CGr_o{Dg&SlL_I9Ft74F|}_XY-N?q4~U+MTKE{gvF>slh=o73`NB*X7{ZWht}fRN;NT71cn$y#Hg><<hvv0<jDfAD"
        "GAIj+#ON`}&@cx~O^tkO@1Gn&*L7Xjb^k%KG_X*VN|i4L$)*;y5#^Fg36`2AqKbcfcIT&t@!FlZ1puR&>i4-emfPjo{uFyY<P}cG"
        "|7wgejN-OC(&?NY?scWFb^Um!+ot1ri?W-i=a)^5^YpdI;C&%Y%oxQp<&1Iq4v|m-qEv2~l6(M3HcJT"
    ),
    "7.2.6 PING_PFAIL": (
        "c-rljyGlec5QZnZTdatRmA#b~%j9-qYTrOOl{U#-Ky+2q!bi8$EX#sesHZkxm_G~*Gk;Re)#a)JEZ)J4X8^DR8|L5c1GQ2t21i<A"
        "9)y^fL$DZmsF)naD(Y>mA740xPN&o9bUOcmsBs|nfr~G6F>q4RAl3VnQ_fCf)#!b}iEVd(D;TfMv6%r7s*3!qr4rxmpYF9-SeKUA"
        "j{TF3(T!}(ly|ln^A@v-bI!*bv)#Q;*7EouOL;4+r+e8J9YJ%Vx6d!Hn;h4_R5B0NW-pNl16%SbVQ6-kU3Q3Es3srz6K5@31p"
    ),
    "7.2.6 PONG": (
        "c-rmOv1&sx3<Xe`(4kNW{f12GP$bK;<GFuOcvHGql1-rW|HtNqLMdGmGW*;?iv$|)``ecSJf0vdFA&!J*!-IyL$Wz1Z`|yVy^KCm"
        "SLRYnt#ODBVQ%>S#}=k(nx<)*?iQ{sEFbV39smaQMwp_FCN+0+b5Ds-JS&!nqJ1!_UT!|0c0jSb;u^Z?jb*<ae}BPCJ8IQ4QROaX"
        "n4FAD!L-&P_gEvMH`Bu6XJeo==l"
    ),
    "7.2.6 PUBLISH": (
        "c-jkc&P`%q;CRTu7^=y@!T<w|3}_(DFg4N8z{DsyEz#7{EHybLIVHu!#L&Pr#VpCd+{nN*DK*X5Fe&Lj65wYT1*2dTjDk@x3P!;w"
        "pdAQ}W)y@rT0pHB*5r)Dyo}VGoO}QQeIDf"
    ),
    "7.2.6 UPDATE": (
        "c-rmOI}U&#6hzSnjiq53c7TAfb_XU@Ry;nP`!BUJ8WT&qInB-NVAf@4B1I(PKpkD=tJF+QMmw8Z@^h%U<Wih7+Lyq3vf6WPqhUTC"
        "dIA6d0QgVbgcA3Z_$vSa0Py7mS#B}+"
    ),
    "7.2.6 FAIL": (
        "c-rmOu?+$-425AIG*n28LFdGdFR9r8=_)G6#2x$7aUgLsP~flm-w5w|d31oo6Q<=1d)RDi_wA9fICkv=N$a3iu_bd6vOHWcvlS;x"
        "{S`t8A%wpJKeF7W)2HNjE`^h}Ve&pDvnYDT&S;`0l}UV7^%YVO5@Y"
    ),
    "7.2.6 FAILOVER_AUTH_ACK": (
        "c-jkc&P`%q;JCoR7^=y@#sCA%P?`x!^O+c!rWqt9CZ!q}Ct9Q$TUr=c8YZWinHeV=rKXt~7?~uSrWq$2CjB1;qhJ(_f>AIEM!|>!"
        "3<Cs0qZtK3Gyn?F2O<"
    ),
    "7.2.6 MFSTART": (
        "c-rmFArgQv3`EfsRn0L_1=0YT8!&^zq-o>0D@Ou@L7;HtiNA7}c~1cT0Jk>a;a0&zuNh;+mZu_w5(na-T}T*&SZKtabYNC6#u#JF"
        "??_NB<-MFFfBm~|P`hhS?|&UA"
    ),
    "7.2.6 PING_FORGOTTEN": (
        "c-rmOv5EpQ5C-6^+SrJ8zJiTRHpy(lmA-*sW#eRa288pJJBxe!yIowdw6ZcEBtziO)c<yK%En9&rrNE{!+4mZVa_}Rg-lt%Q52UV"
        "B+H8ExE4jIJqLAc^IuUEMNt%Q$GpbmSzx!X7DH;;U*|7b%P*ZSpK_1PO=XN8zkjZ`ckJ7Z)7FRJEhS;>N=$<UT0{20NQ}`t)P_ih"
        "9Ut9+z8#4LwHQ*gji!`HB(%1%-A9LYR*tz%K^gx6T(l%D"
    ),
    "7.0.15 FAILOVER_AUTH_REQUEST": (
        "c-rmOF%AMT3<N+235gDgXHfZ^Tx{3;0O>lK_?&e7l^+2GC-DF}Jk3hmY`fRX-2e^`NXr@au-SbwZN(6-g6LD_YTjK}70;eaX)`xA"
        "C6{WwJ--|wgb+dq|DgIb&@yIjD;6i8kw+tSX0usYstOVHU+*qAIHmV%c>xGpC0q"
    ),
    "7.0.15 MEET": (
        "c-jkc&P`%q;CR8n7^=y@!~g?~Xf%UaieZ{TlCgoYd1A7GNs3X5seyS~qLF2axp`8OsinDvnWcr1kx}Y@B*4!w3P!;w7zLwX6pVsV"
        "KsI0`q#!h!L6DIJ%#;8T`FW{&sTGO21v#l;K>%Ud9;*"
    ),
    "7.0.15 PING": (
        "c-rmGy$S*`3;^I%T?A1O6n7^bj{e*=?d%JP&`Fo}(p&V@(YM!APjFLb`-LVDN|Md04gmc%Ft-2z22b6#cG^1BBq|;hSLjQglca)U"
        "<)tOW5DJS%TO*~6*Eb_bk|arz<R4T9wc(tEMja@UEv+F%D$jj^9)p!+bcp`PvFy_aw`F72`+om^FrPMWA|z(K3Gvk#Zs~UHb<6CY"
        "PRE$Vi?7dz_-Nh$QKUHD"
    ),
    "7.0.15 PING_PFAIL": (
        "c-rmHy$%8)3;^Kb&tPISG0_+uopdl9cSm9N4NRDHfh#Qjjy{@ir{`bdq~0taX-P>#VY%2jfYuq9nF2r!9_r8iRd*yMfxDEaXbYZ^"
        "pqyi{LKC8Mxke?m5<>XPn=V9A6h%?=4}wCeIHyFSbmU1FT2V@Amf0LFIxR>^=WWGn*|!F>Vm;OXD0m3of6mqwv}sSqWsDMmb6&3G"
        "r)L;ph_NdFEN2YL=vSOGGi%m-7Q<UQ?ET!I?C!Yr_rohZB}^*"
    ),
    "7.0.15 PONG": (
        "c-rmOp$@`83<ls1M?ymO3@8w!*SlSNnl~Vs0&`tAv+({BMrH^KgX{N;sz0^=_3}`Ftw7VCpjoood|jA?vmjc?oYh7vLlKJ>Q>q<T"
        ")<Py($NK!R2j`q~&bj~T@6a~OddU_h)QFMmfXT=@<f&3IX4S5+<RU~gzB}{o&<5f&E(yPVIrg`8BfS9jsVGn"
    ),
    "7.0.15 PUBLISH": (
        "c-jkc&P`%q;CRTu7^=y@!T<w|Xf%UaieZ{TlCgoYd1A7GNs3X5seyS~qLF2axp`8OsinDvnWcr1kx}Y@B*4!w3P!;w7zLwX6pVsV"
        "Ksyi`%_s<MtbkfEtjQUPc^RoWIr#uygdOD"
    ),
    "7.0.15 UPDATE": (
        "c-rmOF%CdL5QX8HN-2(^TZ0{2yMbgYl{L0=|B_0GM5%jU^XJ{*P2--3Dk6?G6?EZO$y<|MYF(?#>N*qao#sV?sixEi9efx>WIG;8"
        "0ssI2_)na<;(Idw3IG5Ad^rI^4lnW"
    ),
    "7.0.15 FAILOVER_AUTH_ACK": (
        "c-rm7u?>JA5Czb~!dRI&h8-XW_HJN8WyMEIcXcC;3C>{Qz2>dU0iy0C6-R36)znqJXJ257hfT)r(5ziZJcCon?6aLS7;sa%gb+dq"
        "@jLX9xT)d!21c$2M*"
    ),
    "7.0.15 MFSTART": (
        "c-rmOD;9tt5QX8PnO%m7#{iPuf#=XH3=GY^x+IUmVldg9FZ}h^yDmEc3<sz@!2mY}56yF+?hU$ReX^Eu4qPJ^?LurxQ(;dAD+nQk"
        "5aM^L?w$F)g=+hHH*YXrr{x6oLLAQ"
    ),
}
CAPTURED = {name: decompress(b85decode(text)) for name, text in _PACKED.items()}
